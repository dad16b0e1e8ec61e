"""From sentences to word ids: tokeniser, vocabulary from the training split only, and the splits of
a text data set."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch

from data.dataset import Dataset, labels_of
from data.errors import DataError
from data.points import Documents, Points, Sentences
from data.split import Split

PADDING, UNKNOWN = 0, 1
SPECIAL = ["<pad>", "<unk>"]
_TOKEN = re.compile(r"\n|[^\W\d_]+(?:['’][^\W\d_]+)?|\d+|[^\w\s]|_")
_CHUNK = 20_000  # sentences tokenised at a time: bounds the memory that Python strings take


@dataclass(frozen=True)
class TextOptions:
    """How sentences become ids: lower-casing, the longest sentence kept (in words; the rest of a
    longer one is cut), the least number of times a word must occur in the training split to be in
    the vocabulary, and the seed and shares of the split into train, dev and test."""

    lowercase: bool = True
    max_words: int = 50
    min_count: int = 2
    dev_fraction: float = 0.1
    test_fraction: float = 0.2
    split_seed: int = 0


def tokenise(text: str, lowercase: bool = True) -> list[str]:
    """Words, runs of digits and single punctuation marks; a line break is a token of its own."""
    return _TOKEN.findall(text.lower() if lowercase else text)


def growing_ids() -> dict[str, int]:
    """Ids by first appearance, for :func:`encode`: a new word gets one when it is looked up."""
    ids: dict[str, int] = defaultdict()
    ids.default_factory = ids.__len__  # type: ignore[attr-defined]
    ids["\n"]  # the line break is looked up first and so becomes 0
    return ids


def encode(sentences: Iterable[str], ids: dict[str, int], options: TextOptions) -> Sentences:
    """Look every token up in ids (which may grow by looking up) -> Sentences of at most
    ``max_words`` words.

    ids must give 0 for the line break. Few of the sentences are in memory at a time, as far as the
    caller makes them so.
    """
    parts: list[np.ndarray] = []
    normal = (" ".join(sentence.split()) for sentence in sentences)
    while chunk := list(islice(normal, _CHUNK)):
        tokens = tokenise("\n".join(chunk) + "\n", options.lowercase)
        parts.append(np.fromiter(map(ids.__getitem__, tokens), dtype=np.int32, count=len(tokens)))
    words = np.concatenate(parts) if parts else np.empty(0, np.int32)
    ends = np.flatnonzero(words == PADDING)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    place = np.arange(len(words)) - np.repeat(starts, ends - starts + 1)
    lengths = np.minimum(ends - starts, options.max_words)
    kept = words[(words != PADDING) & (place < options.max_words)]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Sentences(torch.from_numpy(kept), torch.from_numpy(offsets.astype(np.int64)))


def text_dataset(
    name: str, documents: dict[str, list[str]], options: TextOptions, notes: Iterable[str] = ()
) -> Dataset:
    """One class per document, its sentences shuffled by the split seed and cut into test, dev and
    train.

    documents maps a class name to its sentences. Raises DataError where a class is too small for
    all three splits.
    """
    classes = sorted(documents)
    ids = growing_ids()
    sentences = encode((s for c in classes for s in documents[c]), ids, options)
    labels = labels_of([documents[c] for c in classes])
    whole = Split.from_labels(sentences, labels, len(classes))
    whole = whole.shuffled(torch.Generator().manual_seed(options.split_seed))
    test_sizes = (whole.sizes * options.test_fraction).round().long()
    dev_sizes = (whole.sizes * options.dev_fraction).round().long()
    test, rest = whole.take(test_sizes), whole.drop(test_sizes)
    dev, train = rest.take(dev_sizes), rest.drop(dev_sizes)
    return with_vocabulary(
        Dataset(name, classes, train, dev, test, notes=list(notes)), ids, options.min_count
    )


def with_vocabulary(dataset: Dataset, ids: dict[str, int], min_count: int) -> Dataset:
    """A data set of sentences encoded with these ids, in the vocabulary of the split that similar
    points are drawn from.

    A word that occurs fewer than ``min_count`` times there is unknown. Raises DataError where all
    words are.
    """
    vocabulary, new_ids = _vocabulary(dataset.contrastive_splits()[0], list(ids), min_count)
    return _renamed(dataset, vocabulary, new_ids)


def in_words_of(dataset: Dataset, vocabulary: list[str]) -> Dataset:
    """The same data set of sentences with the ids of another vocabulary; words that it lacks become
    unknown."""
    assert dataset.vocabulary is not None
    known = {word: index for index, word in enumerate(vocabulary)}
    new_ids = torch.tensor(
        [known.get(word, UNKNOWN) for word in dataset.vocabulary], dtype=torch.int32
    )
    return _renamed(dataset, vocabulary, new_ids)


def _vocabulary(train: Split, words: list[str], min_count: int) -> tuple[list[str], torch.Tensor]:
    """(vocabulary, new id of every old one): words by falling count in the training split, then
    alphabetically."""
    counts = torch.bincount(_sentences(train.points).words.long(), minlength=len(words)).tolist()
    kept = sorted(
        (i for i in range(1, len(words)) if counts[i] >= min_count),
        key=lambda i: (-counts[i], words[i]),
    )
    if not kept:
        raise DataError(
            f"no word occurs {min_count} times in the training split; lower dataset.min_count"
        )
    new_ids = torch.full((len(words),), UNKNOWN, dtype=torch.int32)
    new_ids[PADDING] = PADDING
    new_ids[torch.tensor(kept)] = torch.arange(
        len(SPECIAL), len(SPECIAL) + len(kept), dtype=torch.int32
    )
    return SPECIAL + [words[i] for i in kept], new_ids


def _renamed(dataset: Dataset, vocabulary: list[str], new_ids: torch.Tensor) -> Dataset:
    """The data set in another vocabulary, word i having become word new_ids[i]."""
    splits = {
        role: replace(s, points=_replaced(s.points, new_ids))
        for role, s in dataset.splits().items()
    }
    return replace(dataset, vocabulary=vocabulary, **splits)  # type: ignore[arg-type]


def _replaced(points: Points, new_ids: torch.Tensor) -> Sentences | Documents:
    if isinstance(points, Documents):
        return Documents(
            Sentences(new_ids[points.sentences.words.long()], points.sentences.offsets),
            points.offsets,
        )
    return Sentences(new_ids[_sentences(points).words.long()], _sentences(points).offsets)


def _sentences(points: Points) -> Sentences:
    if not isinstance(points, Sentences):
        raise TypeError("sentences are needed")
    return points
