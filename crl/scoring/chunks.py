"""Scores of many points against many classes, a few points at a time: the whole matrix may not fit
into memory."""

from collections.abc import Iterator

from torch import Tensor

CHUNK_BYTES = 2**25
"""What the scores of one chunk may take. A fraction of any machine, and enough for a full matrix product."""


def score_chunks(
    features: Tensor, labels: Tensor, classes: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """(which points, their features, their labels) of one chunk after the other; features [n, d],
    labels [n]."""
    rows = max(1, CHUNK_BYTES // (classes * features.element_size()))
    for start in range(0, len(labels), rows):
        part = slice(start, start + rows)
        yield part, features[part], labels[part]
