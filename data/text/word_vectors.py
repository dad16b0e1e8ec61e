"""Word vectors: read from a GloVe text file, learned from the training split by truncated SVD, or
drawn to be trained."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits
from torch import Tensor

from data.errors import DataError
from data.files.cache import expanded
from data.points import Sentences
from data.split import Split
from data.text.tokens import SPECIAL

_HEADER = re.compile(r"[0-9]{1,12} ([0-9]{1,12})")  # word2vec's first line: count and dimension
_LONGEST_LINE = 2**17  # characters
_WIDEST = 2**13  # numbers a word; the widest vectors that are passed around have some hundreds


def glove_vectors(path: str | Path, vocabulary: list[str]) -> tuple[Tensor, float]:
    """(vectors [V, e], coverage in [0, 1]) from a text file with one "word number number ..." a
    line.

    The file is streamed and only the words of the vocabulary are kept; a word without a vector
    stays zero. Coverage is the share of the vocabulary (its two special entries aside) that the
    file has. Raises DataError for a missing or malformed file and where no word is covered.
    """
    wanted = {word: index for index, word in enumerate(vocabulary) if index >= len(SPECIAL)}
    found: dict[int, np.ndarray] = {}
    width = 0
    try:
        with expanded(path).open(encoding="utf-8", errors="replace", newline="\n") as stream:
            for number, line in enumerate(iter(partial(stream.readline, _LONGEST_LINE), ""), 1):
                if len(line) == _LONGEST_LINE:
                    raise DataError(f"{path}, line {number}: longer than any word and its numbers")
                fields = line.rstrip().split(" ")
                if number == 1:
                    header = _HEADER.fullmatch(line.rstrip())
                    width = int(header[1]) if header else len(fields) - 1
                    if width > _WIDEST:
                        raise DataError(
                            f"{path}, line 1: {width} numbers a word; at most {_WIDEST} can be"
                        )
                    if header:
                        continue
                # The word itself may hold spaces; the numbers are the last `width` fields.
                index = wanted.get(" ".join(fields[:-width])) if 0 < width < len(fields) else None
                if width < 1 or len(fields) <= width:
                    raise DataError(
                        f"{path}, line {number}: expected a word and {max(width, 1)} numbers"
                    )
                if index is not None and index not in found:
                    found[index] = _numbers(fields[-width:], path, number)
    except OSError as error:
        raise DataError(f"encoder.glove_path: cannot read {path} ({error.strerror})") from error
    if not found:
        raise DataError(
            f"encoder.glove_path: {path} has a vector for none of the {len(wanted)} words of this data set"
        )
    vectors = torch.zeros(len(vocabulary), width)
    for index, values in found.items():
        vectors[index] = torch.from_numpy(values)
    return vectors, len(found) / len(wanted)


def corpus_vectors(train: Split, vocabulary_size: int, dimension: int, window: int = 5) -> Tensor:
    """Vectors [V, e] from word co-occurrence in the training split, with no download.

    Counts of word pairs at most ``window`` words apart in a sentence, weighted by 1 / distance;
    positive pointwise mutual information with context counts raised to 0.75; truncated SVD, left
    vectors scaled by the root of the singular values; each vector brought to unit length (Levy,
    Goldberg & Dagan 2015). e is ``dimension``, or fewer where the vocabulary is smaller (the rest
    is zero).
    """
    points = train.points
    if not isinstance(points, Sentences):
        raise TypeError("corpus vectors need sentences")
    words = points.words.numpy()
    sentence = np.repeat(np.arange(len(points), dtype=np.int32), points.offsets.diff().numpy())
    counts = sparse.csr_matrix((vocabulary_size, vocabulary_size), dtype=np.float32)
    for distance in range(1, window + 1):
        together = sentence[distance:] == sentence[:-distance]
        left, right = words[:-distance][together], words[distance:][together]
        weight = np.full(len(left), 1 / distance, np.float32)
        counts += sparse.coo_matrix((weight, (left, right)), shape=counts.shape).tocsr()
    counts = (counts + counts.T).tocoo()
    rows = np.bincount(counts.row, counts.data, vocabulary_size)
    columns = np.bincount(counts.col, counts.data, vocabulary_size) ** 0.75
    association = np.log(counts.data * columns.sum() / (rows[counts.row] * columns[counts.col]))
    positive = association > 0
    matrix = sparse.csr_matrix(
        (association[positive].astype(np.float32), (counts.row[positive], counts.col[positive])),
        shape=counts.shape,
    )
    kept = min(dimension, vocabulary_size - 1)
    with threadpool_limits(
        1, "blas"
    ):  # the last bits depend on the number of threads, and here one is as fast
        left, scale, _ = randomized_svd(matrix, kept, n_iter=4, random_state=0)
    vectors = torch.zeros(vocabulary_size, dimension)
    vectors[:, :kept] = torch.from_numpy((left * np.sqrt(scale)).astype(np.float32))
    vectors[torch.from_numpy(matrix.getnnz(1) == 0)] = (
        0  # else round-off would be brought to unit length
    )
    return torch.nn.functional.normalize(vectors)


def random_vectors(vocabulary_size: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Vectors [V, e] to start training from: normal, of unit expected length."""
    return torch.randn(vocabulary_size, dimension, generator=generator) / dimension**0.5


def _numbers(fields: list[str], path: str | Path, number: int) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # what overflows becomes infinite
            values = np.array(fields, dtype=np.float32)
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise DataError(
            f"{path}, line {number}: {len(fields)} finite numbers expected behind the word"
        )
    return values
