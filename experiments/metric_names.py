"""How metrics are called in result.json and in print."""

import re


def few_shot(metrics: dict[str, float]) -> str:
    """The classifier of class means from few points, as the metrics call it: ``mean5`` for five."""
    return next((m[1] for name in metrics if (m := re.match(r"test\.(mean\d+)\.", name))), "mean5")


def metric_title(metric: str) -> str:
    """avg2 -> AVG-2, top1_majority -> TOP-1 majority; of ``test.mean.avg2`` its last part."""
    name = metric.rpartition(".")[2].replace("_", " ")
    return f"{name[:3].upper()}-{name[3:]}"


def classifier_title(metric: str) -> str:
    """test.mean.avg2 -> mu AVG-2, test.linear.top1 -> TR TOP-1; empty for what a sweep's table
    leaves out."""
    for prefix, classifier in (("test.mean.", "mu"), ("test.linear.", "TR")):
        if metric.startswith(prefix):
            return f"{classifier} {metric_title(metric)}"
    return ""
