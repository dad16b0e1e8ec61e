"""Files of run folders and manifests as they may come from anybody: plain types, bounded, nothing
executed or unfolded."""

import math
from typing import Any

_GROUPS = ("dataset", "encoder", "objective", "optimizer", "training", "evaluation", "runtime")
_MAPS, _MOST_POINTS = ("pca", "tsne", "umap"), 5000  # of a map of test features


def check_result(result: Any) -> None:
    """Raise ValueError for what no run can have left as its result.json."""
    try:
        data, names = result["dataset"], (result["name"], result["dataset"]["name"])
        counts = (result["seed"], data["classes"], data["train_points"], data["test_points"])
        numbers = [
            result["timing"]["train_seconds"],
            *result["metrics"].values(),
            *result["timing"].values(),
        ]
        doubts = result["warnings"]
        whole = all(isinstance(name, str) and name for name in names)
        whole = whole and all(isinstance(count, int) and count >= 0 for count in counts)
        whole = whole and all(
            isinstance(number, int | float) and math.isfinite(number) for number in numbers
        )
        whole = whole and all(
            isinstance(result.get(part, {}), dict) for part in ("theory", "environment")
        )
        whole = whole and isinstance(doubts, list) and _is_map(result.get("map"))
        whole = whole and all(
            isinstance(doubt[part], str) for doubt in doubts for part in ("kind", "message")
        )
        about = result.get("environment", {})
        whole = (
            whole
            and isinstance(about.get("versions", {}), dict)
            and isinstance(about.get("command", []), list)
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if not whole:
        raise ValueError("not the result of a run")


def _is_map(found: Any) -> bool:
    """Whether it is None, or what :func:`experiments.evaluation.feature_map.feature_map` makes."""
    if found is None:
        return True
    shares, classes, labels = found["variance"], found["classes"], found["labels"]
    whole = found["method"] in _MAPS and (shares is None or _are_pairs([shares]))
    whole = (
        whole and 0 < len(classes) <= len(labels) <= _MOST_POINTS and set(classes) == set(labels)
    )
    whole = whole and all(isinstance(label, int) for label in labels)
    whole = whole and len(found["points"]) == len(labels) and len(found["means"]) == len(classes)
    return whole and _are_pairs(found["points"]) and _are_pairs(found["means"])


def _are_pairs(points: Any) -> bool:
    """Whether each is [x, y], shares of the largest coordinate."""
    whole = all(isinstance(point, list) and len(point) == 2 for point in points)
    return whole and all(
        isinstance(value, int | float) and -1 <= value <= 1 for point in points for value in point
    )


def check_stored_config(config: dict[str, Any]) -> None:
    """Raise ValueError where parts are missing that a report is about."""
    whole = all(isinstance(config.get(group), dict) for group in _GROUPS)
    whole = whole and all(
        isinstance(config[group].get("name"), str) for group in ("dataset", "encoder", "objective")
    )
    if not (
        whole
        and all(
            isinstance(config["objective"].get(name), int) for name in ("block_size", "negatives")
        )
    ):
        raise ValueError("not the configuration of a run")
