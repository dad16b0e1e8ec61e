"""The trials of ``hydra/sweeper=optuna``: Optuna proposes batches of them, each an ordinary run.

Proposals depend on the sampler's seed and on the results so far, told in the order of the trials.
So the same command proposes the same trials, finds those that are complete, and goes on. Imports no
torch until a run starts.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GridSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from crl.data.files.atomic import write_json
from crl.experiments.config.sweepers import SAMPLERS
from crl.experiments.errors import ConfigError
from crl.experiments.launch.complete import CompleteCheck, apart
from crl.experiments.launch.hydra_launchers import choose_launcher
from crl.experiments.launch.launch import Launcher, launch
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.launch.search import Search
from crl.experiments.launch.search_space import SearchSpace
from crl.experiments.launch.study_record import StudyRecord
from crl.experiments.launch.sweep import Combination, combination, studies_of
from crl.experiments.runtime.console import Say
from crl.experiments.storage.manifest import SUFFIX, Manifest, write_manifest
from crl.experiments.storage.results import read_result

TRIALS = "trials.json"


@dataclass
class Trial:
    """A proposal of Optuna's: ``values`` by option, and their run (None if they do not fit).

    Once it has ended, ``value`` is its metric, or ``error`` says in one line why it failed.
    """

    number: int
    title: str
    values: dict[str, Any]
    combo: Combination | None = None
    value: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Found:
    """The trials of a search in order, the best one (None if all failed), and their manifest."""

    trials: list[Trial]
    best: Trial | None
    manifest: Manifest


def run_search(search: Search, say: Say) -> Found:
    """Do the trials, batch by batch; one that fails stops no other.

    The manifest is written before each batch starts, and ``trials.json`` after it. Raises
    ConfigError, with nothing written, for a launcher or a storage that cannot be used; for a
    damaged result, or one without the metric; and RunError if the storage fails on the way.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options, batch_size = search.options, min(search.options.n_jobs, search.trials)
    launcher = choose_launcher(search.launcher, search.folder, batch_size, say)
    direction = StudyDirection.MINIMIZE if search.minimize else StudyDirection.MAXIMIZE
    sampler = _sampler(search)
    study = optuna.create_study(sampler=sampler, direction=direction)
    study_name = options.study_name or f"crl-{search.folder.name}"
    record = StudyRecord(options.storage, study_name, direction, search.space.distributions)
    batches = _Batches(search, launcher, say)
    say(
        f"sweep of {search.trials} trials ({search.sampler}, seed {options.sampler.seed}; "
        f"{options.metric}, the {'lowest' if search.minimize else 'highest'} is best): "
        f"{search.folder}"
    )
    for note in search.notes:
        say(note)
    trials: list[Trial] = []
    best: Trial | None = None
    while len(trials) < search.trials:
        asked = [
            study.ask(search.space.distributions)
            for _ in range(min(options.n_jobs, search.trials - len(trials)))
        ]
        batch = [_trial(search.space, one.number, one.params) for one in asked]
        trials += batch
        manifest = _manifest(search, trials)
        write_manifest(search.folder / f"sweep{SUFFIX}", manifest)
        batches.run(batch)
        for one, trial in zip(asked, batch, strict=True):
            _tell(study, one, trial.value)
            if trial.value is not None and (best is None or _is_better(search, trial, best)):
                best = trial
            if trial.value is not None:
                so_far = ", the best so far" if trial is best else ""
                say(f"trial {trial.number}: {options.metric} {trial.value:.6g}{so_far}")
        write_json(search.folder / TRIALS, _as_json(search, trials, best))
        record.add(study.trials)
    return Found(trials, best, manifest)


def _is_better(search: Search, trial: Trial, best: Trial) -> bool:
    assert trial.value is not None and best.value is not None
    return trial.value < best.value if search.minimize else trial.value > best.value


def _sampler(search: Search) -> BaseSampler:
    chosen: type[BaseSampler] = getattr(optuna.samplers, SAMPLERS[search.sampler][1])
    options = asdict(search.options.sampler)
    if search.sampler == "grid":
        return GridSampler(search.space.grid(), **options)
    if search.sampler == "cmaes":
        options["warn_independent_sampling"] = False  # a choice from a list is drawn at random
    return chosen(**options)


def _trial(space: SearchSpace, number: int, values: dict[str, Any]) -> Trial:
    """The trial of these values; one that cannot be composed has failed."""
    shown = (f"{name}={_short(value)}" for name, value in values.items())
    trial = Trial(number, f"trial {number}: {' '.join(shown)}", values)
    try:
        combo = combination(space.overrides(values), list(values))
    except ConfigError as error:  # values that do not fit together
        trial.error = str(error)
        return trial
    trial.values = values | combo.labels | ({"seed": combo.config.seed} if "seed" in values else {})
    trial.combo = combo._replace(run=replace(combo.run, title=trial.title))
    return trial


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class _Batches:
    """Does the runs of one batch after another."""

    def __init__(self, search: Search, launcher: Launcher, say: Say) -> None:
        self._search, self._launcher, self._say = search, launcher, say
        self._is_complete = CompleteCheck(say)
        self._ended: dict[object, str | None] = {}  # key of a run -> why it failed
        self._trials = 0

    def run(self, batch: Sequence[Trial]) -> None:
        """Do the runs that are not complete, and give each trial its value or its error."""
        combos = {trial.combo.run.key: trial.combo.run for trial in batch if trial.combo}
        pending = [run for key, run in combos.items() if self._is_pending(key, run)]
        self._trials += len(batch)
        later = self._search.trials - self._trials
        for runs in apart(pending):
            done = self._search.trials - later - len(pending)
            failures = launch(runs, self._launcher, self._say, done, bar=False, later=later)
            self._ended |= {run.key: failures.get(run.title) for run in runs}
            pending = pending[len(runs) :]
        for trial in batch:
            if trial.combo is not None:
                trial.error = self._ended.get(trial.combo.run.key)
                if trial.error is None:
                    trial.value, trial.error = self._value(trial.combo.run)

    def _is_pending(self, key: object, run: RunSpec) -> bool:
        if key in self._ended:  # an earlier trial had the same values
            return False
        return self._search.force or not self._is_complete(run)

    def _value(self, run: RunSpec) -> tuple[float | None, str | None]:
        """The metric of a complete run, or why it has none."""
        metric = self._search.options.metric
        result = read_result(run.folder, run.evaluation)
        if result is None:
            return None, "it left no result"
        if metric not in result["metrics"]:
            known = ", ".join(
                name for name in result["metrics"] if name.startswith("dev.") and name != "dev.step"
            )
            raise ConfigError(
                f"hydra.sweeper.metric={metric}: {run.folder} has none; it has {known}"
            )
        return float(result["metrics"][metric]), None


def _tell(study: optuna.Study, asked: optuna.Trial, value: float | None) -> None:
    try:
        study.tell(asked, value, TrialState.FAIL if value is None else TrialState.COMPLETE)
    except RuntimeError:
        if not isinstance(study.sampler, GridSampler):
            raise
        # It asks the study to stop after the last point of the grid; the trial is told by then.


def _manifest(search: Search, trials: Sequence[Trial]) -> Manifest:
    combos = {trial.combo.run.key: trial.combo for trial in trials if trial.combo}
    return Manifest(search.title, search.command, studies_of(list(combos.values())))


def _as_json(search: Search, trials: Sequence[Trial], best: Trial | None) -> dict[str, Any]:
    """The content of ``trials.json``."""
    home = search.folder.resolve()
    return {
        "schema": 1,
        "command": search.command,
        "metric": search.options.metric,
        "direction": "minimize" if search.minimize else "maximize",
        "sampler": {"name": search.sampler, **asdict(search.options.sampler)},
        "best": best and best.number,
        "trials": [
            {
                "number": trial.number,
                "values": trial.values,
                "metric": trial.value,
                "error": trial.error,
                "run": trial.combo and os.path.relpath(trial.combo.run.folder.resolve(), home),
            }
            for trial in trials
        ],
    }
