"""The names of metrics, in result.json and in print."""

import re

AVG2 = "test.mean.avg2"
DEV_LOSS = "dev.loss"
_DEV_ACCURACY = re.compile(r"dev\.(mean|linear|attentive)\w*\.(avg|top)\d\w*")

# The classifiers fitted on 10 % of the labels: key in the metrics -> printed name.
TEN_PERCENT = {"linear10pct": "TR", "mean10pct": "μ"}

# The theory's bounds: key in result.json -> title. Every bound reads left <= right.
BOUNDS = {
    "same_at_least_one": "1 ≤ L_un^= (Jensen)",
    "lemma_4_3": "Lemma 4.3",
    "lemma_4_4": "Lemma 4.4",
    "theorem_4_5": "Theorem 4.5",
    "theorem_6_1": "Theorem 6.1",
    "proposition_6_2": "Proposition 6.2",
}


def few_shot(metrics: dict[str, float]) -> str:
    """Return the key of the few-shot mean classifier: ``mean5`` for five points per class.

    It is ``mean5`` where the metrics hold none.
    """
    return next((m[1] for name in metrics if (m := re.match(r"test\.(mean\d+)\.", name))), "mean5")


def few_shot_title(classifier: str) -> str:
    """Return the printed name of a few-shot classifier: mean5 -> μ-5."""
    return f"μ-{classifier.removeprefix('mean')}"


def metric_title(metric: str) -> str:
    """Return a metric's printed name: test.mean.avg2 -> AVG-2, top1_majority -> TOP-1 majority."""
    name = metric.rpartition(".")[2].replace("_", " ")
    return f"{name[:3].upper()}-{name[3:]}"


def is_dev_accuracy(metric: str) -> bool:
    """Return whether the metric is an accuracy on the dev points, such as dev.linear.top1."""
    return _DEV_ACCURACY.fullmatch(metric) is not None


def classifier_title(metric: str) -> str:
    """Return classifier and metric as a sweep prints them: test.mean.avg2 -> mu AVG-2.

    The title is empty for metrics that a sweep's table leaves out.
    """
    for prefix, classifier in (("test.mean.", "mu"), ("test.linear.", "TR")):
        if metric.startswith(prefix):
            return f"{classifier} {metric_title(metric)}"
    return ""
