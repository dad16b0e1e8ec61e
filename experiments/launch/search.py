"""``hydra/sweeper=optuna``: what a search over trials is, before the first of them is known.

Imports no torch.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from crl.experiments.config.own_files import OwnFiles
from crl.experiments.config.paths import expanded
from crl.experiments.config.schema import EvaluationConfig
from crl.experiments.config.sweepers import OptunaOptions
from crl.experiments.errors import ConfigError
from crl.experiments.launch.hydra_sweepers import Sweeper
from crl.experiments.launch.search_space import SearchSpace, search_space
from crl.experiments.launch.sweep import Combination, combination, launcher_options, place
from crl.experiments.metric_names import DEV_LOSS

# Options of data set and objective that leave the dev loss the same loss.
_SAME_LOSS = ("objective.normalize", "objective.encoders", "objective.negative_source")


@dataclass(frozen=True)
class Search:
    """A sweep whose trials Optuna chooses, and its folder, which holds the manifest and the trials.

    ``sampler``: a key of ``SAMPLERS``; ``trials``: how many; ``minimize``: whether the lowest
    metric is best; ``launcher``: the options of Hydra's launcher; ``force``: do complete runs
    again; ``notes``: lines that the user should know before it starts.
    """

    space: SearchSpace
    options: OptunaOptions
    sampler: str
    trials: int
    minimize: bool
    launcher: tuple[str, ...]
    folder: Path
    title: str
    command: tuple[str, ...]
    force: bool
    notes: tuple[str, ...]


def plan_search(sweeper: Sweeper, command: Sequence[str]) -> Search:
    """Compose and check the edges of the search space; write nothing. Raises ConfigError.

    The sweep's folder, ``<output_dir>/sweeps/<hash8>``, is named after the space, the other options
    and the sampler, so the same command finds it again, also with more trials.
    """
    options = sweeper.optuna
    assert options is not None
    launcher, arguments = launcher_options(sweeper.arguments)
    space = search_space(arguments, options.params or {})
    names = [axis.name for axis in space.axes]
    first, *others = [combination(space.overrides(edge), names) for edge in space.edges()]
    for other in others:
        if other.config.output_dir != first.config.output_dir:
            raise ConfigError("output_dir: a sweep has one; runs have folders of their own in it")
        if other.run.key == first.run.key:
            raise ConfigError(
                f"{first.run.title} and {other.run.title} are one run: "
                "a swept option must change the result"
            )
    combos = [first, *others]
    if options.metric == DEV_LOSS and (
        name := next((c.config.objective.name for c in combos if not c.config.objective.trains), "")
    ):
        raise ConfigError(
            f"hydra.sweeper.metric={DEV_LOSS}: objective={name} has no dev loss; "
            "choose another metric, such as dev.linear.top1"
        )
    for combo in combos:
        _check_measured(options.metric, combo.config.evaluation)
    trials = options.n_trials
    if sweeper.sampler == "grid":
        trials = min(trials, math.prod(map(len, space.grid().values())))
    minimize = options.direction == "minimize" or (
        options.direction is None and options.metric == DEV_LOSS
    )
    identity = [
        *(place(first.run), space.plain, sweeper.sampler, asdict(options.sampler)),
        *(options.n_jobs, options.metric, minimize),
    ]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    given = [argument for argument in arguments if argument.lstrip("+").partition("=")[0] in names]
    return Search(
        space=space,
        options=options,
        sampler=sweeper.sampler,
        trials=trials,
        minimize=minimize,
        launcher=(*OwnFiles.of(arguments).overrides(), *launcher) if launcher else (),
        folder=expanded(first.config.output_dir) / "sweeps" / name,
        title=" ".join(["sweep", *given]),
        command=tuple(command),
        force=first.config.force,
        notes=tuple(_notes(options.metric, names, combos)),
    )


def _check_measured(metric: str, options: EvaluationConfig) -> None:
    """Raise ConfigError for an accuracy that no run measures; it would show after the first one."""
    known = ["dev.linear.top1", *(["dev.attentive.top1"] if options.attentive else [])]
    known += [f"dev.mean.avg{k}" for k in options.ks] + [f"dev.mean.top{r}" for r in options.tops]
    of_few_labels = "pct" in metric and options.label_fraction is not None
    if metric not in (DEV_LOSS, *known) and not of_few_labels:
        raise ConfigError(
            f"hydra.sweeper.metric={metric}: no run measures it; "
            f"choose one of {', '.join([DEV_LOSS, *known])}"
        )


def _notes(metric: str, names: Sequence[str], combos: Sequence[Combination]) -> list[str]:
    """What the user should know about the metric that chooses."""
    labels = metric != DEV_LOSS or any(combo.config.objective.reads_labels for combo in combos)
    notes = [f"{metric}: the labels of the dev points choose the best trial"] * labels
    other_losses = [
        name
        for name in names
        if name.partition(".")[0] in ("dataset", "objective") and name not in _SAME_LOSS
    ]
    if metric == DEV_LOSS and other_losses:
        notes.append(
            f"warning: {', '.join(other_losses)}: each value has a dev loss of its own kind, so "
            "the lowest one need not be the best; hydra.sweeper.metric=dev.linear.top1 compares "
            "by the labels of the dev points"
        )
    return notes
