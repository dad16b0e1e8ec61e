"""Reading finished runs, and what several seeds say together. Free of torch."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files.atomic import DamagedFile, read_checked_json, sha256_of
from data.files.plain import read_plain_json, read_plain_yaml
from experiments.errors import ConfigError
from experiments.statistics import Interval, interval
from experiments.storage.validation import check_result, check_stored_config

_MARKS = {"config.yaml", "result.json"}  # a folder with one of these is a run's
REPLACED = "replaced"  # in a run folder: the complete run that force=true is replacing


@dataclass(frozen=True)
class Run:
    """A complete run: its folder, its configuration (``config.yaml``) and its result
    (``result.json``)."""

    path: Path
    config: dict[str, Any]
    result: dict[str, Any]

    @property
    def seed(self) -> int:
        return int(self.result["seed"])

    @property
    def name(self) -> str:
        """``<dataset>-<encoder>-<objective>-<hash8>``: the same for all seeds of a
        configuration."""
        return str(self.result["name"])

    @property
    def dataset(self) -> str:
        return str(self.result["dataset"]["name"])

    @property
    def metrics(self) -> dict[str, float]:
        return self.result["metrics"]

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What makes its numbers doubtful, see :func:`experiments.evaluation.warnings.warnings`."""
        return self.result["warnings"]

    def theory(self, *path: str, split: str = "test") -> float | None:
        """A number under ``theory`` of the result, e.g. ``theory("lemma_4_3", "slack")``; None
        where it is not there."""
        found: Any = self.result.get("theory", {})
        for key in (*(() if split == "test" else (split,)), *path):
            found = found.get(key) if isinstance(found, dict) else None
        return float(found) if isinstance(found, int | float) else None

    def curve(self) -> list[dict[str, float]]:
        """The lines of ``metrics.jsonl``; a line that was broken off, or is no line of ours, is
        left out."""
        found = []
        path = self.path / "metrics.jsonl"
        for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(values, dict):
                found.append(values)
        return found


def read_result(folder: Path) -> dict[str, Any] | None:
    """The result in a run folder, or None where the run is not complete.

    Raises ConfigError where it is damaged, or where ``config.yaml`` or ``metrics.jsonl`` are not
    those that it was written with.
    """
    path = folder / "result.json"
    try:
        result = read_checked_json(path)
        for name in ("config.yaml", "metrics.jsonl"):
            if sha256_of(folder / name) != result["files"][name]:
                raise ConfigError(
                    f"{folder / name} is damaged (not what {path} was written with); delete both and start the run again"
                )
        check_result(result)
    except FileNotFoundError as error:
        if not path.exists():
            return None
        raise ConfigError(
            f"{error.filename} is missing; delete {path} and start the run again"
        ) from error
    except DamagedFile as error:
        raise ConfigError(f"{error}; delete it and start the run again") from error
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read ({error.strerror})") from error
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is no result of a run; delete it and start the run again"
        ) from error
    return result


def read_run(folder: Path) -> Run | None:
    """The run in a folder, or None where it is not complete. Raises ConfigError for a damaged
    one."""
    result = read_result(folder)
    if result is None:
        return None
    try:
        config = read_plain_yaml(folder / "config.yaml")
        check_stored_config(config)
        run = Run(folder, config, result)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{folder} holds a damaged run ({type(error).__name__}); delete result.json and start it again"
        ) from error
    return run


def why_unfinished(folder: Path) -> str:
    """What a report says of a run without a result: that it failed and why (``failed.json``), or
    that it is not finished."""
    try:
        return f"failed: {read_plain_json(folder / 'failed.json')['reason']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "not finished"


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """Every complete run under the folders, each once, in the order of their paths; but none that
    is being replaced."""
    places = {
        path.parent.resolve(): None
        for folder in folders
        for path in sorted(folder.rglob("result.json"))
    }
    runs = (read_run(place) for place in places if place.name != REPLACED)
    return [run for run in runs if run is not None]


def run_folders(folders: Sequence[Path]) -> list[Path]:
    """Every run folder below, each once, in the order of their paths; a run's own folders hold no
    runs."""
    found: dict[Path, None] = {}
    for top in folders:
        for place, inner, files in os.walk(top):
            if _MARKS & set(files):
                found[Path(place).resolve()] = None
                inner.clear()
            inner[:] = sorted(name for name in inner if not name.startswith("."))
    return list(found)


def paired_difference(
    ours: Sequence[Run], theirs: Sequence[Run], metric: str, their_metric: str | None = None
) -> Interval | None:
    """The interval of ``ours - theirs``, seed by seed, over the seeds that both have; None where
    there is none.

    A seed fixes the order of draws, so pairing takes out what both share. ``their_metric``: where
    it is another one.
    """
    other = their_metric or metric
    by_seed = {run.seed: run.metrics[other] for run in theirs if other in run.metrics}
    found = [
        run.metrics[metric] - by_seed[run.seed]
        for run in ours
        if metric in run.metrics and run.seed in by_seed
    ]
    return interval(found) if found else None
