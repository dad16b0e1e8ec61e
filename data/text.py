"""From sentences to word ids: tokeniser, vocabulary from the training split only, and the splits of a text data set."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from data.dataset import Dataset, labels_of
from data.errors import DataError
from data.split import Sentences, Split

PADDING, UNKNOWN = 0, 1
SPECIAL = ["<pad>", "<unk>"]
_TOKEN = re.compile(r"\n|[^\W\d_]+(?:['’][^\W\d_]+)?|\d+|[^\w\s]|_")
_CHUNK = 20_000  # sentences tokenised at a time: bounds the memory that Python strings take


@dataclass(frozen=True)
class TextOptions:
    """How sentences become ids: lower-casing, the longest sentence kept (in words; the rest of a longer one is cut),
    the least number of times a word must occur in the training split to be in the vocabulary, and the seed and shares
    of the split into train, dev and test."""

    lowercase: bool = True
    max_words: int = 50
    min_count: int = 2
    dev_fraction: float = 0.1
    test_fraction: float = 0.2
    split_seed: int = 0


def tokenise(text: str, lowercase: bool = True) -> list[str]:
    """Words, runs of digits and single punctuation marks; a line break is a token of its own."""
    return _TOKEN.findall(text.lower() if lowercase else text)


def encode(sentences: Sequence[str], ids: dict[str, int], options: TextOptions) -> Sentences:
    """Look every token up in ids (which may grow by looking up) -> Sentences of at most ``max_words`` words.

    ids must give 0 for the line break.
    """
    parts: list[np.ndarray] = []
    for start in range(0, len(sentences), _CHUNK):
        chunk = (" ".join(sentence.split()) for sentence in sentences[start : start + _CHUNK])
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


def text_dataset(name: str, documents: dict[str, list[str]], options: TextOptions, notes: Iterable[str] = ()) -> Dataset:
    """One class per document, its sentences shuffled by the split seed and cut into test, dev and train.

    documents maps a class name to its sentences. Raises DataError where a class is too small for all three splits.
    """
    classes = sorted(documents)
    growing: dict[str, int] = defaultdict()
    growing.default_factory = growing.__len__  # type: ignore[attr-defined]
    growing["\n"]  # the line break is looked up first and so becomes 0
    sentences = encode([s for c in classes for s in documents[c]], growing, options)
    labels = labels_of([documents[c] for c in classes])
    whole = Split.from_labels(sentences, labels, len(classes))
    whole = whole.shuffled(torch.Generator().manual_seed(options.split_seed))
    test_sizes = (whole.sizes * options.test_fraction).round().long()
    dev_sizes = (whole.sizes * options.dev_fraction).round().long()
    test, rest = whole.take(test_sizes), whole.drop(test_sizes)
    dev, train = rest.take(dev_sizes), rest.drop(dev_sizes)
    vocabulary, new_ids = _vocabulary(train, list(growing), options.min_count)
    return Dataset(
        name,
        classes,
        train=_renamed(train, new_ids),
        dev=_renamed(dev, new_ids),
        test=_renamed(test, new_ids),
        vocabulary=vocabulary,
        notes=list(notes),
    )


def in_words_of(dataset: Dataset, vocabulary: list[str]) -> Dataset:
    """The same data set of sentences with the ids of another vocabulary; words that it lacks become unknown."""
    assert dataset.vocabulary is not None
    known = {word: index for index, word in enumerate(vocabulary)}
    new_ids = torch.tensor([known.get(word, UNKNOWN) for word in dataset.vocabulary], dtype=torch.int32)
    train, dev, test = (_renamed(split, new_ids) for split in (dataset.train, dataset.dev, dataset.test))
    return replace(dataset, vocabulary=vocabulary, train=train, dev=dev, test=test)


def _vocabulary(train: Split, words: list[str], min_count: int) -> tuple[list[str], torch.Tensor]:
    """(vocabulary, new id of every old one): words by falling count in the training split, then alphabetically."""
    counts = torch.bincount(_sentences(train).words.long(), minlength=len(words)).tolist()
    kept = sorted((i for i in range(1, len(words)) if counts[i] >= min_count), key=lambda i: (-counts[i], words[i]))
    if not kept:
        raise DataError(f"no word occurs {min_count} times in the training split; lower dataset.min_count")
    new_ids = torch.full((len(words),), UNKNOWN, dtype=torch.int32)
    new_ids[PADDING] = PADDING
    new_ids[torch.tensor(kept)] = torch.arange(len(SPECIAL), len(SPECIAL) + len(kept), dtype=torch.int32)
    return SPECIAL + [words[i] for i in kept], new_ids


def _renamed(split: Split, new_ids: torch.Tensor) -> Split:
    points = _sentences(split)
    return Split(Sentences(new_ids[points.words.long()], points.offsets), split.offsets)


def _sentences(split: Split) -> Sentences:
    if not isinstance(split.points, Sentences):
        raise TypeError("a split of sentences is needed")
    return split.points
