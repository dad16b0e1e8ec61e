"""``crl compare``: whether finished runs found the same representation."""

from pathlib import Path

from cli.console import say
from experiments.errors import ConfigError

USAGE = """crl compare RUN_DIR [RUN_DIR ...] [points=N] [neighbours=K] [permutations=N] [out=PATH]

Do different objectives, seeds, block sizes or encoders find the same representation? Encodes the same test points with
the encoder of every finished run in the folders and compares every two of them:
mutual nearest neighbours   the share of a point's K nearest points (by cosine) that both have (Huh et al., 2024)
kernel alignment            unbiased linear CKA: 1 for a rotated or scaled copy, 0 on average for unrelated features
Beside each stands its null: mean and standard deviation over random pairings of the points, and the share p of pairings
that are aligned as much. All runs must have the very same test points; they may differ in anything else.

  points=2000         test points that are compared, drawn once (all where there are fewer)
  neighbours=10       K
  permutations=100    random pairings of the null; p is at least 1 / (permutations + 1)
  out=PATH            where comparison.json and the figures go (default: comparison/ in the first folder): a heat map of
                      each measure, and alignment against accuracy
  runtime.*, dataset.root=   as in crl evaluate

Examples
  crl compare outputs/runs/glyphs-small_cnn-contrastive-*/seed0 outputs/runs/glyphs-small_cnn-supervised-*/seed0
  crl compare outputs points=5000
"""

_COUNTS = {
    "points": (2000, 4),
    "neighbours": (10, 1),
    "permutations": (100, 1),
}  # option -> default, least


def run(arguments: list[str]) -> None:
    """Compare the runs in the folders among the arguments."""
    given = {name: value for name, equals, value in (a.partition("=") for a in arguments) if equals}
    options = {name: value for name, value in given.items() if name in (*_COUNTS, "out")}
    overrides = [a for a in arguments if a.startswith(("runtime.", "dataset.root="))]
    places = [a for a in arguments if a.partition("=")[0] not in options and a not in overrides]
    for argument in places:
        if argument.startswith("-") or ("=" in argument and not Path(argument).exists()):
            raise ConfigError(
                f"{argument}: no such option; crl compare takes run folders and {'=, '.join(_COUNTS)}=, out="
            )
    if not places or options.get("out") == "":
        raise ConfigError("crl compare needs run folders: crl compare RUN_DIR RUN_DIR ...")
    counts = {
        name: _count(name, options.get(name, str(default)), least)
        for name, (default, least) in _COUNTS.items()
    }

    from cli.text_table import aligned
    from experiments.analysis.alignment import compare, pair_rows, run_lines, write
    from experiments.config.paths import expanded

    target = expanded(options["out"]) if "out" in options else Path(places[0]) / "comparison"
    found = compare(
        places, counts["points"], counts["neighbours"], counts["permutations"], overrides, say
    )
    written = write(found, target)
    print(f"\n{found.points} test points", *run_lines(found), sep="\n")
    print(f"\n{aligned(pair_rows(found))}\n")
    for path in written:
        print(path)


def _count(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{name}: {text!r} is not a number of at least {least}")
    return int(text)


def help_text() -> str:
    """What can be typed behind ``crl compare``."""
    return USAGE
