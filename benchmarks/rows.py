"""The rows of the table: the meaning of each, and the bound that it must keep."""

from fnmatch import fnmatch
from operator import ge, le, lt
from typing import NamedTuple

_COMPARE = {">=": ge, "<=": le, "<": lt}


class Row(NamedTuple):
    """What is compared, its unit (empty for a ratio), and its bound, if any."""

    meaning: str
    unit: str = ""
    bound: str | None = None


_TAX = "time of our training step / of the bare encoder's forward, backward and update"
_PYTHON_LOOP = "tuples drawn a second, ours / a Python loop that returns the same batches"
_DATALOADER = "tuples drawn a second, ours / a DataLoader with 2 workers"
_LITERAL = "training tuples a second, ours / a DataLoader re-implementation"
_SLOPE = "log-log slope of the time"

# Pattern -> row. The first pattern that matches a name counts.
ROWS: dict[str, Row] = {
    "runner_tax/bag_of_words": Row(_TAX, bound="<= 1.5"),
    "runner_tax/*": Row(_TAX, bound="<= 1.10"),
    "sampler/python_loop": Row(_PYTHON_LOOP, bound=">= 100"),
    "sampler/dataloader": Row(_DATALOADER, bound=">= 20"),
    "sampler/*/python_loop": Row(_PYTHON_LOOP),
    "sampler/*/dataloader": Row(_DATALOADER),
    "sampler/*lean_loop": Row(
        "the same; the Python loop needs classes of equal size and returns lists, no tensors"
    ),
    "end_to_end/*/fresh": Row(_LITERAL, bound=">= 1.0"),
    "end_to_end/b1_k1/pooled": Row(_LITERAL, bound=">= 1.5"),
    "end_to_end/b2_k4/pooled": Row(_LITERAL, bound=">= 3"),
    "end_to_end/b10_k10/pooled": Row(_LITERAL, bound=">= 8"),
    "estimator/time_to_*": Row(
        "training time until test AVG-2 reaches the target, fresh / pooled; fresh stops at 3",
        bound=">= 2",
    ),
    "evaluation/seconds": Row(
        "exact AVG-2, AVG-10, TOP-1 and TOP-5 at the size of Wiki-3029", "s", "< 30"
    ),
    "evaluation/extra_memory_gb": Row("its peak memory beyond the features", "GB", "< 1.5"),
    "evaluation/enumerating_tasks_ratio": Row(
        "time of AVG-2 by enumerating all pairs (extrapolated) / of the exact averages"
    ),
    "linear/cifar_size/scikit_learn_ratio": Row(
        "time of scikit-learn's logistic regression / ours", bound=">= 1.0"
    ),
    "linear/cifar_size/dev_accuracy_difference": Row(
        "our dev accuracy - scikit-learn's, in [0, 1]", bound=">= -0.005"
    ),
    "linear/wiki_size/seconds": Row("fits of all penalties at the size of Wiki-3029", "s", "< 600"),
    "linear/wiki_size/dev_accuracy": Row("their best dev accuracy, in [0, 1], on made-up features"),
    "linear/wiki_size/extra_memory_gb": Row("their peak memory beyond the features", "GB", "< 1.5"),
    "compile/*": Row("time of a training step / of the same with runtime.compile=true"),
    "text/sentences_per_second": Row(
        "from text files to word ids and splits, 600,000 sentences", "1/s", ">= 20000"
    ),
    "text/cached_load_seconds": Row("the same data from the cache", "s", "< 2"),
    "text/peak_gb": Row("peak resident memory of the process that prepares the data", "GB"),
    "scaling/*/classes": Row(_SLOPE),
    "scaling/*": Row(_SLOPE, bound="<= 1.05"),
    "shared_machine/two_at_once": Row(
        "time of two runs at once / of the same two one after the other", bound="<= 1.5"
    ),
    "peak_memory_gb/b10_k10": Row(
        "peak resident memory of `crl train`, small CNN, pooled, batch 128", "GB", "< 2.5"
    ),
    "peak_memory_gb/b10_k10_fresh": Row("the same with fresh negatives for every tuple", "GB"),
}


def row_of(name: str) -> Row:
    """Return the row of that name; an unlisted name has no meaning and no bound."""
    return next((row for pattern, row in ROWS.items() if fnmatch(name, pattern)), Row(""))


def holds(value: float, bound: str) -> bool:
    """Whether the value keeps a bound such as ``<= 1.10``. Raises ValueError for another text."""
    sign, _, limit = bound.partition(" ")
    if sign not in _COMPARE:
        raise ValueError(f"a bound is one of {', '.join(_COMPARE)} and a number, not {bound!r}")
    return bool(_COMPARE[sign](value, float(limit)))
