"""Files of run folders and manifests as they may come from anybody: plain types, bounded, nothing executed or unfolded."""

import json
import math
from pathlib import Path
from typing import Any

import yaml

from data.files import read_plain_text

_GROUPS = ("dataset", "encoder", "objective", "optimizer", "training", "evaluation", "runtime")
_DEEPEST = 20  # a configuration has groups, options and lists
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there


def read_plain_yaml(path: Path) -> dict[str, Any]:
    """A mapping of plain types, without aliases, which a few lines can unfold to fill the memory, without depth, which
    overflows libyaml's stack, and without interpolations, which would be resolved here, from this environment.

    Raises as :func:`read_plain_text`.
    """
    text = read_plain_text(path)
    try:
        depth = 0
        for event in yaml.parse(text, _Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:
                raise ValueError("aliases (*) in it, or nested too deeply")
        found = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(found, dict):
        raise ValueError("no mapping of options")
    if "${" in json.dumps(found, default=str, skipkeys=True):
        raise ValueError("an interpolation (${...}) in it")
    return found


def check_result(result: Any) -> None:
    """Raise ValueError for what no run can have left as its result.json."""
    try:
        data, names = result["dataset"], (result["name"], result["dataset"]["name"])
        counts = (result["seed"], data["classes"], data["train_points"], data["test_points"])
        numbers = [*result["metrics"].values(), result["timing"]["train_seconds"]]
        whole = all(isinstance(name, str) and name for name in names)
        whole = whole and all(isinstance(count, int) and count >= 0 for count in counts)
        whole = whole and all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
        whole = whole and all(isinstance(result.get(part, {}), dict) for part in ("theory", "environment"))
        about = result.get("environment", {})
        whole = whole and isinstance(about.get("versions", {}), dict) and isinstance(about.get("command", []), list)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if not whole:
        raise ValueError("not the result of a run")


def check_stored_config(config: dict[str, Any]) -> None:
    """Raise ValueError where parts are missing that a report is about."""
    whole = all(isinstance(config.get(group), dict) for group in _GROUPS)
    whole = whole and all(isinstance(config[group].get("name"), str) for group in ("dataset", "encoder", "objective"))
    if not (whole and all(isinstance(config["objective"].get(name), int) for name in ("block_size", "negatives"))):
        raise ValueError("not the configuration of a run")
