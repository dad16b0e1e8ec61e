"""The share of labels that classifiers are fitted on."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crl.data.dataset import Split
from crl.data.points import Vectors
from crl.experiments.config.schema import EvaluationConfig
from crl.experiments.evaluation.accuracy import evaluate


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(2, 12), min_size=2, max_size=5), st.floats(0.1, 0.9))
def test_a_share_of_the_labels_is_of_the_points_that_a_share_of_the_data_keeps(
    sizes: list[int], share: float
) -> None:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    vectors = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0))
    split = Split.from_labels(Vectors(vectors), labels, len(sizes)).fraction(share)
    options = EvaluationConfig(ks=[2], tops=[1], shots=1, redraws=1, linear_steps=20)
    both = {"dev": (vectors, labels), "test": (vectors, labels)}
    kept = {"train": (split.points.tensors()[0], split.labels), **both}
    alone = evaluate(options, 0, kept, len(sizes))
    options.label_fraction = share
    metrics = evaluate(options, 0, {"train": (vectors, labels), **both}, len(sizes))
    name = f"test.mean{100 * share:g}pct"
    for metric in ("avg2", "top1"):
        assert metrics[f"{name}.{metric}"] == alone[f"test.mean.{metric}"]
