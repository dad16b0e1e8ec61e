"""Checks of files that anybody may have written: a stored result, a stored configuration.

The files were read as plain types; nothing in them was executed.
"""

import math
from collections.abc import Iterator
from typing import Any

_GROUPS = ("dataset", "encoder", "objective", "optimizer", "training", "evaluation", "runtime")
_MAP_METHODS = ("pca", "tsne", "umap")
_MOST_MAP_POINTS = 5000


def require(checks: Iterator[tuple[str, bool]]) -> None:
    """Raise ValueError at the first check that fails or cannot be made."""
    try:
        failed = next((name for name, passed in checks if not passed), None)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if failed:
        raise ValueError(f"{failed}: not what a run writes")


def result_checks(result: Any) -> Iterator[tuple[str, bool]]:
    """Yield (name, passed): whether a run can have written this ``result.json``."""
    data, timing, warnings = result["dataset"], result["timing"], result["warnings"]
    yield "names", all(isinstance(name, str) and name for name in (result["name"], data["name"]))
    counts = (result["seed"], data["classes"], data["train_points"], data["test_points"])
    yield "counts", all(isinstance(count, int) and count >= 0 for count in counts)
    yield "train_seconds", "train_seconds" in timing
    numbers = (*result["metrics"].values(), *timing.values())
    yield "numbers", all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
    yield "theory", isinstance(result.get("theory", {}), dict)
    yield "map", _is_map(result.get("map"))
    yield "warnings", isinstance(warnings, list)
    keys = ("kind", "message")
    yield "texts of warnings", all(isinstance(w[key], str) for w in warnings for key in keys)
    environment = result.get("environment", {})
    yield "environment", isinstance(environment, dict)
    yield "evaluation", isinstance(result.get("evaluation", {}), dict)
    files = result.get("encoder_files", {})
    yield "encoder_files", all(isinstance(text, str) for pair in files.items() for text in pair)
    yield "versions", isinstance(environment.get("versions", {}), dict)
    yield "command", isinstance(environment.get("command", []), list)


def config_checks(config: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield (name, passed): whether the groups and options are there that a report needs."""
    yield "groups", all(isinstance(config.get(group), dict) for group in _GROUPS)
    named = ("dataset", "encoder", "objective")
    yield "names", all(isinstance(config[group].get("name"), str) for group in named)
    sizes = ("block_size", "negatives")
    yield "objective", all(isinstance(config["objective"].get(size), int) for size in sizes)


def _is_map(feature_map: Any) -> bool:
    """Return whether it is None or what :mod:`crl.experiments.evaluation.feature_map` returns."""
    if feature_map is None:
        return True
    variance, points, means, classes, labels = (
        feature_map[name] for name in ("variance", "points", "means", "classes", "labels")
    )
    return (
        feature_map["method"] in _MAP_METHODS
        and (variance is None or _are_pairs([variance]))
        and 0 < len(classes) <= len(labels) <= _MOST_MAP_POINTS
        and set(classes) == set(labels)
        and all(isinstance(label, int) for label in labels)
        and len(points) == len(labels)
        and len(means) == len(classes)
        and _are_pairs(points)
        and _are_pairs(means)
    )


def _are_pairs(points: Any) -> bool:
    """Return whether each point is [x, y] with both coordinates in [-1, 1]."""
    return all(
        isinstance(point, list)
        and len(point) == 2
        and all(isinstance(value, int | float) and -1 <= value <= 1 for value in point)
        for point in points
    )
