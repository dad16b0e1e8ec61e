"""Checks and warnings on a run's numbers.

Features and numbers that are not finite end a run. Doubts are stored beside the numbers as
warnings.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from crl.data.dataset import Dataset
from crl.data.leaks import find_leaks
from crl.experiments.errors import RunError
from crl.experiments.evaluation.encode import Features
from crl.scoring.feature_spread import feature_spread

REMEDY = "lower optimizer.lr, or set training.clip_norm=1"  # against a loss that is not finite
_UNTRAINED = (
    "nothing was trained here: look at the encoder's own weights and the size of its features"
)

# Rounding to bfloat16 alone moves a constant by 0.2 % at most; trained encoders had 80 % and more.
SMALLEST_SPREAD = 0.01
# One direction then has over 95 % of the variance; trained encoders had ranks of 2.4 and more. Two
# classes can be told apart on a line; more cannot.
SMALLEST_RANK = 1.1
MOST_DEAD = 0.5


def check_features(features: Mapping[str, Features], trained: bool = True) -> None:
    """Raise RunError if a feature of any split is not finite.

    ``trained``: whether the encoder was trained here; the remedy depends on it.
    """
    for role, (vectors, _) in features.items():
        broken = sum(int((~rows.isfinite()).any(1).sum()) for rows in vectors.split(2**16))
        if broken:
            raise RunError(
                f"{broken} of {len(vectors)} {role} features are not finite; {_remedy(trained)}"
            )


def check_numbers(result: Mapping[str, Any], trained: bool = True) -> None:
    """Raise RunError if a number anywhere in a result is not finite; see :func:`check_features`."""
    for name, value in _numbers(result):
        if not math.isfinite(value):
            raise RunError(f"{name} is {value}; {_remedy(trained)}")


def _remedy(trained: bool) -> str:
    return REMEDY if trained else _UNTRAINED


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, float):
        yield name, value


def warnings(dataset: Dataset, features: Mapping[str, Features]) -> list[dict[str, Any]]:
    """Return ``warnings`` of ``result.json``: each with ``kind``, ``message`` and its numbers.

    - ``leak``: points of one split are in another (``seen``, ``asked``, ``shared`` of ``points``,
      ``share``)
    - ``collapse``: test features lie within 1 % of their mean (``spread``)
    - ``line``: test features of more than two classes lie on a line (``effective_rank`` below 1.1)
    - ``dead``: more than half of the dimensions do not vary (``share``)
    """
    leaks: list[dict[str, Any]] = [
        {
            "kind": "leak",
            "message": leak.message,
            **leak._asdict(),
            "share": leak.shared / leak.points,
        }
        for leak in find_leaks(dataset)
    ]
    return [*leaks, *_collapse(features["test"], len(dataset.classes))]


def _collapse(test: Features, classes: int) -> Iterator[dict[str, Any]]:
    spread = feature_spread(test[0])
    if spread.relative < SMALLEST_SPREAD:
        message = (
            "features have collapsed: those of test points differ from their mean by "
            f"{spread.relative:.1g} of their size"
        )
        yield {"kind": "collapse", "message": message, "spread": spread.relative}
    elif classes > 2 and spread.effective_rank < SMALLEST_RANK:
        message = (
            "features lie on a line: those of test points have an effective rank of "
            f"{spread.effective_rank:.2f}"
        )
        yield {"kind": "line", "message": message, "effective_rank": spread.effective_rank}
    elif spread.dead > MOST_DEAD:
        message = f"{spread.dead:.0%} of the dimensions of test features do not vary"
        yield {"kind": "dead", "message": message, "share": spread.dead}
