"""Sentences on the ablations. The paper leaves these questions open, so there is no verdict."""

from experiments.metric_names import AVG2
from experiments.report.load_runs import DatasetStudies
from experiments.report.verdicts import Comparison, in_points
from experiments.statistics import Interval
from experiments.storage.results import paired_difference

_AXES = {"block_size": ("b", "Larger blocks"), "negatives": ("k", "More negatives")}


def observations(studies: DatasetStudies) -> tuple[str, ...]:
    """Return one sentence for each comparison of the studies ``collisions`` and ``budget``."""
    return (*_on_collisions(studies), *_on_budgets(studies))


def _on_collisions(studies: DatasetStudies) -> list[str]:
    sentences = []
    for k in studies.values("collisions", "negatives"):
        removed, allowed = (
            studies.runs("collisions", collisions=kind, negatives=k)
            for kind in ("removed", "allowed")
        )
        if difference := paired_difference(removed, allowed, AVG2):
            shown = in_points(Comparison("without − with collisions, AVG-2", difference))
            sentences.append(
                f"Drawing negatives from other classes only, at k = {k}, "
                f"{_effect(difference)} accuracy ({shown})."
            )
    return sentences


def _on_budgets(studies: DatasetStudies) -> list[str]:
    sentences = []
    for axis, (letter, change) in _AXES.items():
        for equal in studies.values("budget", "equal", axis=axis):
            values = studies.values("budget", "value", axis=axis, equal=equal)
            if len(values) < 2:
                continue
            least, most = values[0], values[-1]
            smallest, largest = (
                studies.runs("budget", axis=axis, equal=equal, value=value)
                for value in (least, most)
            )
            if difference := paired_difference(largest, smallest, AVG2):
                title = f"{letter} = {most} − {letter} = {least}, AVG-2"
                sentences.append(
                    f"{change} at an equal number of {equal} {_effect(difference, plural=True)} "
                    f"accuracy ({in_points(Comparison(title, difference))})."
                )
    return sentences


def _effect(difference: Interval, plural: bool = False) -> str:
    """Return the verb that the interval allows."""
    if difference.low > 0:
        return "raise" if plural else "raises"
    if difference.high < 0:
        return "lower" if plural else "lowers"
    return f"{'do' if plural else 'does'} not clearly change"
