"""Word vectors: from a GloVe file, from co-occurrences in the training split, or random."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits
from torch import Tensor

from crl.data.dataset import Split
from crl.data.errors import DataError
from crl.data.files.cache import expand_user
from crl.data.text.tokens import SPECIAL, as_sentences

_HEADER = re.compile(r"[0-9]{1,12} ([0-9]{1,12})")  # word2vec's first line: count and dimension
_LONGEST_LINE = 2**17  # characters
_WIDEST = 2**13  # numbers a word; published vectors have some hundreds


def glove_vectors(path: str | Path, vocabulary: list[str]) -> tuple[Tensor, float]:
    """(vectors [V, e], coverage in [0, 1]) from a text file of lines "word number number ...".

    The file is streamed, and only words of the vocabulary are kept. A word without a vector gets
    zeros. Coverage: the share of the vocabulary, without its two special entries, that the file
    has. Raises DataError if the file is missing or malformed, or covers no word.
    """
    wanted = {word: index for index, word in enumerate(vocabulary) if index >= len(SPECIAL)}
    rows: dict[int, np.ndarray] = {}
    width = 0
    try:
        with expand_user(path).open(encoding="utf-8", errors="replace", newline="\n") as stream:
            for number, line in enumerate(iter(partial(stream.readline, _LONGEST_LINE), ""), 1):
                if len(line) == _LONGEST_LINE:
                    raise DataError(f"{path}, line {number}: longer than any word and its numbers")
                fields = line.rstrip().split(" ")
                if number == 1:
                    header = _HEADER.fullmatch(line.rstrip())
                    width = int(header[1]) if header else len(fields) - 1
                    if width > _WIDEST:
                        raise DataError(
                            f"{path}, line 1: {width} numbers a word; at most {_WIDEST} are read"
                        )
                    if header:
                        continue
                if width < 1 or len(fields) <= width:
                    raise DataError(
                        f"{path}, line {number}: expected a word and {max(width, 1)} numbers"
                    )
                # A word may hold spaces; the numbers are the last `width` fields.
                index = wanted.get(" ".join(fields[:-width]))
                if index is not None and index not in rows:
                    rows[index] = _numbers(fields[-width:], path, number)
    except OSError as error:
        raise DataError(f"encoder.glove_path: cannot read {path} ({error.strerror})") from error
    if not rows:
        raise DataError(
            f"encoder.glove_path: {path} has a vector for none of the {len(wanted)} words "
            "of this data set"
        )
    vectors = torch.zeros(len(vocabulary), width)
    vectors[list(rows)] = torch.from_numpy(np.stack([*rows.values()]))
    return vectors, len(rows) / len(wanted)


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


def _numbers(fields: list[str], path: str | Path, number: int) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # numbers that overflow become infinite
            values = np.array(fields, dtype=np.float32)
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise DataError(
            f"{path}, line {number}: {len(fields)} finite numbers expected after the word"
        )
    return values
