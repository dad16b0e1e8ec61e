"""What the ablations say, in plain sentences: the paper leaves these questions open, so there is no
verdict."""

from experiments.report.load_runs import DatasetStudies
from experiments.report.verdicts import Comparison, in_points
from experiments.statistics import Interval
from experiments.storage.results import paired_difference

AVG2 = "test.mean.avg2"
_AXES = {"block_size": ("b", "Larger blocks"), "negatives": ("k", "More negatives")}


def observations(subject: DatasetStudies) -> tuple[str, ...]:
    """One sentence for each comparison of the studies ``collisions`` and ``budget``."""
    return (*_collisions(subject), *_budget(subject))


def _collisions(subject: DatasetStudies) -> list[str]:
    found = []
    for k in subject.values("collisions", "negatives"):
        removed, allowed = (
            subject.runs("collisions", collisions=kind, negatives=k)
            for kind in ("removed", "allowed")
        )
        if difference := paired_difference(removed, allowed, AVG2):
            shown = in_points(Comparison("without − with collisions, AVG-2", difference))
            found.append(
                f"Drawing negatives from other classes only, at k = {k}, {_verb(difference)} accuracy ({shown})."
            )
    return found


def _budget(subject: DatasetStudies) -> list[str]:
    found = []
    for axis, (letter, what) in _AXES.items():
        for equal in subject.values("budget", "equal", axis=axis):
            values = subject.values("budget", "value", axis=axis, equal=equal)
            if len(values) < 2:
                continue
            least, most = (
                subject.runs("budget", axis=axis, equal=equal, value=v)
                for v in (values[0], values[-1])
            )
            if difference := paired_difference(most, least, AVG2):
                shown = in_points(
                    Comparison(
                        f"{letter} = {values[-1]} − {letter} = {values[0]}, AVG-2", difference
                    )
                )
                found.append(
                    f"{what} at an equal number of {equal} {_verb(difference, 'plural')} accuracy ({shown})."
                )
    return found


def _verb(difference: Interval, number: str = "singular") -> str:
    """What the interval allows to say."""
    ending = "" if number == "plural" else "s"
    if difference.low > 0:
        return f"raise{ending}"
    if difference.high < 0:
        return f"lower{ending}"
    return f"{'do' if number == 'plural' else 'does'} not clearly change"
