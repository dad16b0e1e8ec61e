"""Word vectors from co-occurrences in the training split, or random."""

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits
from torch import Tensor

from crl.data.dataset import Split
from crl.data.text.tokens import as_sentences


def corpus_vectors(train: Split, vocabulary_size: int, dimension: int, window: int = 5) -> Tensor:
    """Vectors [V, e] from co-occurrences in the training split (Levy, Goldberg & Dagan 2015).

    Word pairs at most ``window`` words apart in a sentence are counted, weighted by 1 / distance.
    The positive pointwise mutual information, with context counts to the power 0.75, goes through
    a truncated SVD; left vectors are scaled by the root of the singular values. Each vector gets
    unit length. e is ``dimension``; columns beyond the size of the vocabulary are zero.
    """
    points = as_sentences(train.points)
    words = points.words.numpy()
    sentence = np.repeat(np.arange(len(points), dtype=np.int32), points.offsets.diff().numpy())
    counts = sparse.csr_matrix((vocabulary_size, vocabulary_size), dtype=np.float32)
    for distance in range(1, window + 1):
        same_sentence = sentence[distance:] == sentence[:-distance]
        left, right = words[:-distance][same_sentence], words[distance:][same_sentence]
        weights = np.full(len(left), 1 / distance, np.float32)
        counts += sparse.coo_matrix((weights, (left, right)), shape=counts.shape).tocsr()
    counts = (counts + counts.T).tocoo()
    rows = np.bincount(counts.row, counts.data, vocabulary_size)
    columns = np.bincount(counts.col, counts.data, vocabulary_size) ** 0.75
    association = np.log(counts.data * columns.sum() / (rows[counts.row] * columns[counts.col]))
    positive = association > 0
    matrix = sparse.csr_matrix(
        (association[positive].astype(np.float32), (counts.row[positive], counts.col[positive])),
        shape=counts.shape,
    )
    rank = min(dimension, vocabulary_size - 1)
    # The last bits depend on the number of threads; one thread is as fast here.
    with threadpool_limits(1, "blas"):
        left, scale, _ = randomized_svd(matrix, rank, n_iter=4, random_state=0)
    vectors = torch.zeros(vocabulary_size, dimension)
    vectors[:, :rank] = torch.from_numpy((left * np.sqrt(scale)).astype(np.float32))
    # Words without neighbours: otherwise round-off would be scaled to unit length.
    vectors[torch.from_numpy(matrix.getnnz(1) == 0)] = 0
    return torch.nn.functional.normalize(vectors)


def random_vectors(vocabulary_size: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Random normal vectors [V, e] of unit expected length, to be trained."""
    return torch.randn(vocabulary_size, dimension, generator=generator) / dimension**0.5
