"""Read finished runs. Imports no torch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from crl.data.files.atomic import DamagedFile, read_checked_json, sha256_of
from crl.data.files.untrusted import read_plain_json, read_plain_yaml
from crl.experiments.config.hash8 import hash8
from crl.experiments.errors import ConfigError
from crl.experiments.statistics import Interval, interval
from crl.experiments.storage.validation import config_checks, require, result_checks
from crl.experiments.storage.visible import visible_folders

_MARKS = {"config.yaml", "result.json"}  # a folder with one of these is a run folder
EVALUATIONS = "evaluations"  # subfolder of a run folder: other evaluations of its encoder
REPLACED = "replaced"  # subfolder of a run folder: the complete run that force=true is replacing


@dataclass(frozen=True)
class Run:
    """A complete run: its folder, its configuration and its result, both as plain types.

    A report also says what tells its data apart. ``subject``: how it calls the data set.
    ``variant``: what it adds to the name of a configuration whose runs read different files.
    """

    path: Path
    config: dict[str, Any]
    result: dict[str, Any]
    subject: str = ""
    variant: str = ""

    @property
    def seed(self) -> int:
        return int(self.result["seed"])

    @property
    def name(self) -> str:
        """``<dataset>-<encoder>-<objective>-<hash8>``, the same for all seeds."""
        return f"{self.result['name']}{self.variant}"

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprints of the data and of the files that the encoder read."""
        data = self.result["dataset"].get("fingerprint")
        files = {f"encoder.{name}": v for name, v in self.result.get("encoder_files", {}).items()}
        return files | ({"dataset.fingerprint": str(data)} if data else {})

    @property
    def dataset(self) -> str:
        return str(self.result["dataset"]["name"])

    @property
    def metrics(self) -> dict[str, float]:
        return self.result["metrics"]

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """Doubts about the numbers, see :func:`crl.experiments.evaluation.warnings.warnings`."""
        return self.result["warnings"]

    def theory(self, *path: str, split: str = "test") -> float | None:
        """Return a number under ``theory`` of the result, or None if it is not there.

        Example: ``theory("lemma_4_3", "slack")``.
        """
        value: Any = self.result.get("theory", {})
        for key in path if split == "test" else (split, *path):
            value = value.get(key) if isinstance(value, dict) else None
        return float(value) if isinstance(value, int | float) else None

    def curve(self) -> list[dict[str, float]]:
        """Return the lines of ``metrics.jsonl``, without broken or foreign lines."""
        path = self.path / "metrics.jsonl"
        lines = []
        for text in path.read_text("utf-8", "replace").splitlines() if path.exists() else []:
            try:
                lines.append(json.loads(text))
            except (ValueError, RecursionError):
                continue
        return [line for line in lines if isinstance(line, dict)]


def read_result(folder: Path, evaluation: str | None = None) -> dict[str, Any] | None:
    """Return the result in a run folder, or None if the run is not complete.

    ``result.json`` holds the evaluation that was asked for last. ``evaluation``, the hash of one,
    asks for that one: None if the run was not scored in that way. Raises ConfigError if the result
    is damaged, or if ``config.yaml`` or ``metrics.jsonl`` have changed since it was written.
    """
    result = _read(folder, folder / "result.json")
    if result is None or evaluation in (None, evaluation_in(folder, result)):
        return result
    return _read(folder, folder / EVALUATIONS / f"{evaluation}.json")


def evaluation_in(folder: Path, result: Mapping[str, Any]) -> str:
    """Return the hash of the evaluation that was asked for. Raises ConfigError if damaged."""
    if "evaluation_hash" in result:
        return str(result["evaluation_hash"])
    try:  # an earlier crl wrote it for the evaluation that the run's configuration names
        options = dict(read_plain_yaml(folder / "config.yaml")["evaluation"])
        options.pop("batch_size", None)  # it changes no number
        return hash8(options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder / 'config.yaml'} is damaged; delete it and start the run again"
        ) from error


def _read(folder: Path, path: Path) -> dict[str, Any] | None:
    """Return one stored result of a run; None if the file is not there."""
    try:
        result = read_checked_json(path)
        for name in ("config.yaml", "metrics.jsonl"):
            if sha256_of(folder / name) != result["files"][name]:
                raise ConfigError(
                    f"{folder / name} is damaged (it is not the file that {path} belongs to); "
                    "delete both and start the run again"
                )
        require(result_checks(result))
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
            f"{path} is not the result of a run; delete it and start the run again"
        ) from error
    return result


def read_run(folder: Path, evaluation: str | None = None) -> Run | None:
    """Return the run in a folder, or None if it is not complete. Raises ConfigError if damaged.

    ``evaluation``: as in :func:`read_result`. The run's configuration names the evaluation of its
    result.
    """
    result = read_result(folder, evaluation)
    if result is None:
        return None
    try:
        config = read_plain_yaml(folder / "config.yaml")
        require(config_checks(config))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{folder} holds a damaged run ({type(error).__name__}); "
            "delete result.json and start it again"
        ) from error
    config["evaluation"] |= result.get("evaluation", {})
    return Run(folder, config, result)


def with_evaluation(run: Run, evaluation: str | None) -> Run | None:
    """Return the run with the result of an evaluation, given by its hash (None: as it is).

    None if the run was not scored in that way. Raises ConfigError if that result is damaged.
    """
    if evaluation in (None, evaluation_in(run.path, run.result)):
        return run
    scored = read_run(run.path, evaluation)
    return scored and replace(scored, subject=run.subject, variant=run.variant)


def why_unfinished(folder: Path) -> str:
    """Return ``failed: REASON`` if ``failed.json`` says so, else ``not finished``."""
    try:
        return f"failed: {read_plain_json(folder / 'failed.json')['reason']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "not finished"


class FoundRuns(NamedTuple):
    """``runs``: every complete run; ``damaged``: folder -> what is wrong with its run."""

    runs: list[Run]
    damaged: dict[Path, str]


def find_runs(folders: Sequence[Path]) -> FoundRuns:
    """Return every complete run under the folders once, in the order of their paths.

    A run that is damaged, or foreign, hides no other one. Left out are hidden folders and a run
    that ``force=true`` is replacing. Raises ConfigError for a path that is no folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder} is not a folder; give run folders, or folders that hold some"
            )
    paths = dict.fromkeys(
        path.resolve() for path, _, files in visible_folders(folders) if "result.json" in files
    )
    found = FoundRuns([], {})
    for path in paths:
        try:
            if path.name != REPLACED and (run := read_run(path)):
                found.runs.append(run)
        except ConfigError as error:
            found.damaged[path] = str(error)
    return found


def run_folders(folders: Sequence[Path]) -> list[Path]:
    """Return every run folder under the folders once, in the order of their paths.

    Subfolders of a run folder and hidden folders are not searched.
    """
    paths: dict[Path, None] = {}
    for path, subfolders, files in visible_folders(folders):
        if _MARKS & set(files):
            paths[path.resolve()] = None
            subfolders.clear()
    return list(paths)


def paired_difference(
    ours: Sequence[Run], theirs: Sequence[Run], metric: str, their_metric: str | None = None
) -> Interval | None:
    """Return the interval of ``ours - theirs`` over the seeds that both have; None without any.

    Runs are paired by seed: the seed fixes the order of draws, so pairing removes the variation
    that both share. ``their_metric`` is the metric of ``theirs`` if it is a different one.
    """
    other = their_metric or metric
    by_seed = {run.seed: run.metrics[other] for run in theirs if other in run.metrics}
    differences = [
        run.metrics[metric] - by_seed[run.seed]
        for run in ours
        if metric in run.metrics and run.seed in by_seed
    ]
    return interval(differences) if differences else None
