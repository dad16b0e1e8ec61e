"""One parser fuzzed by coverage, for as long as one likes: pip install atheris, then

    python tests/fuzz/guided.py archives -max_total_time=600

atheris is not among the dependencies: it has no release for every Python that crl runs on.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2])]
with atheris.instrument_imports(include=["data", "experiments", "tarfile", "parsers"]):
    from parsers import PARSERS
    from trying import trial

if __name__ == "__main__":
    parser = next(parser for parser in PARSERS if parser.name == sys.argv.pop(1))
    with tempfile.TemporaryDirectory() as folder:
        case, _ = trial(parser, 1, Path(folder))
        atheris.Setup(sys.argv, case.hypothesis.fuzz_one_input)
        atheris.Fuzz()
