"""Chunks of points for score matrices that may not fit into memory."""

from collections.abc import Iterator

from torch import Tensor

# The memory of one chunk's scores: little for any machine, and enough for a fast matrix product.
CHUNK_BYTES = 2**25


def score_chunks(
    features: Tensor, labels: Tensor, classes: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (slice of the points, their features, their labels) of one chunk after another.

    features [n, d], labels [n].
    """
    size = max(1, CHUNK_BYTES // (classes * features.element_size()))
    for start in range(0, len(labels), size):
        rows = slice(start, start + size)
        yield rows, features[rows], labels[rows]
