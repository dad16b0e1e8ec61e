"""The tasks that fit a data set: AVG-k and TOP-R for no more classes than there are.

What the user typed is refused where it does not fit. What stands in the defaults becomes smaller.
Imports no torch.
"""

from collections.abc import Collection
from dataclasses import replace

from crl.experiments.config.schema import Config, EvaluationConfig
from crl.experiments.errors import ConfigError

_TASKS = ("ks", "tops")


def mark_defaults(config: Config, typed: Collection[str]) -> None:
    """Note in the configuration which tasks are defaults. typed: the options that were typed."""
    config.evaluation.untyped = tuple(
        task for task in _TASKS if not {"evaluation", f"evaluation.{task}"} & set(typed)
    )


def check_tasks(options: EvaluationConfig, classes: int, name: str) -> None:
    """Raise ConfigError if the user typed a task of more classes than the data set ``name`` has."""
    for task in _TASKS:
        most = max(getattr(options, task))
        if most > classes and task not in options.untyped:
            raise ConfigError(f"evaluation.{task}: {most} exceeds the {classes} classes of {name}")


def check_tasks_early(config: Config) -> None:
    """Do :func:`check_tasks` where the number of classes is known before the data are read."""
    if (most := config.dataset.most_classes()) is not None:
        check_tasks(config.evaluation, most, config.dataset.name)


def fit_tasks(config: Config, classes: int) -> tuple[Config, str]:
    """(the configuration with default tasks that fit, a line on what has changed, if anything).

    AVG-k gets at most all classes, and TOP-R all but one: TOP-N is always 100 %.
    """
    old = config.evaluation
    new = replace(old, ks=_at_most(classes, "ks", old), tops=_at_most(classes - 1, "tops", old))
    changes = [
        f"evaluation.{task}={getattr(new, task)} instead of {getattr(old, task)}"
        for task in _TASKS
        if getattr(new, task) != getattr(old, task)
    ]
    line = f"there are {classes} classes, so {' and '.join(changes)}" if changes else ""
    return replace(config, evaluation=new), line


def _at_most(most: int, task: str, options: EvaluationConfig) -> list[int]:
    values: list[int] = getattr(options, task)
    if task not in options.untyped:
        return values
    return list(dict.fromkeys(min(value, most) for value in values))
