"""The trial of a parser on many inputs."""

import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from parsers import Parser

from crl.data.errors import DataError
from crl.experiments.errors import ConfigError


def trial(
    parser: Parser, cases: int, folder: Path, **options: Any
) -> tuple[Callable[[], None], Counter[str]]:
    """(a test that reads ``cases`` inputs, each in an empty folder; its counts so far).

    The counts are of inputs "read" and "refused". Exceptions other than DataError and ConfigError
    pass through.
    """
    outcomes: Counter[str] = Counter()
    options |= {
        "deadline": None,
        "database": None,
        "suppress_health_check": list(HealthCheck),
        "print_blob": True,
    }

    @settings(max_examples=cases, **options)
    @given(parser.inputs)
    def case(value: Any) -> None:
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parser.read(place, value)
            outcome = "read"
        except (DataError, ConfigError):
            outcome = "refused"
        finally:
            shutil.rmtree(place)
        outcomes[outcome] += 1

    return case, outcomes
