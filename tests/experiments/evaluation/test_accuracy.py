"""The share of labels that classifiers are fitted on."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from data.dataset import Split
from data.points import Images
from experiments.evaluation.accuracy import first_share


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.floats(0.01, 0.99))
def test_a_share_of_the_labels_is_of_the_points_that_a_share_of_the_data_keeps(
    sizes: list[int], share: float
) -> None:
    points = torch.arange(sum(sizes))
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    split = Split.from_labels(Images(points.view(-1, 1, 1, 1)), labels, len(sizes)).fraction(share)
    features, classes = first_share((points, labels), len(sizes), share)
    assert torch.equal(features, split.points.tensors()[0].flatten())
    assert torch.equal(classes, split.labels)
