"""From sentences to word ids: tokens, a vocabulary of the training split, splits of a text."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch

from crl.data.dataset import Dataset, Split, split_off
from crl.data.errors import DataError
from crl.data.points import Documents, Points, Sentences
from crl.data.text.characters import inside_words, normalised

PADDING, UNKNOWN = 0, 1
SPECIAL = ["<pad>", "<unk>"]
# Most words are followed by an ASCII character, which is looked at first: that is fast.
_WORD = rf"[^\W\d_]+(?:(?![\0-\x7f])[{inside_words()}]+[^\W\d_]*)*"
_TOKEN = re.compile(rf"\n|{_WORD}(?:['’]{_WORD})?|\d+|[^\w\s]|_")
_CHUNK = 20_000  # sentences tokenised at a time; this bounds the memory that strings take


@dataclass(frozen=True, kw_only=True)
class WordOptions:
    """Options for word ids and for the dev split.

    ``max_words``: words of a sentence that are read; the rest is cut. ``min_count``: a word that
    occurs less often in the training split is unknown. ``dev_fraction``: share of the points of
    every class. ``split_seed``: decides which points are dev points.
    """

    lowercase: bool
    max_words: int
    min_count: int
    dev_fraction: float
    split_seed: int


@dataclass(frozen=True, kw_only=True)
class TextOptions(WordOptions):
    """Options of documents that are split here. ``test_fraction``: share of every class."""

    test_fraction: float


def text_dataset(
    name: str, documents: dict[str, list[str]], options: TextOptions, notes: Iterable[str] = ()
) -> Dataset:
    """Build a data set with a class per document, whose points are its sentences.

    documents: name of a class -> its sentences. They are shuffled by the split seed, then cut into
    test, dev and train. Raises DataError if a class is too small for three splits.
    """
    classes = sorted(documents)
    ids = growing_ids()
    sentences = encode((s for c in classes for s in documents[c]), ids, options)
    whole = Split.from_groups(sentences, [documents[c] for c in classes])
    test, rest = split_off(whole.shuffled(options.split_seed), options.test_fraction)
    dev_sizes = (whole.sizes * options.dev_fraction).round().long()
    dev, train = rest.take(dev_sizes), rest.drop(dev_sizes)
    dataset = Dataset(name, classes, train, dev, test, notes=list(notes))
    return build_vocabulary(dataset, ids, options.min_count)


def tokenise(text: str, lowercase: bool) -> list[str]:
    """Words, runs of digits and single punctuation marks; a line break is a token too.

    Words are in Unicode's form NFC and keep their accents and vowel signs. A character of Chinese
    or Japanese is a word.
    """
    return _tokens(normalised(text), lowercase)


def _tokens(text: str, lowercase: bool) -> list[str]:
    return _TOKEN.findall(text.lower() if lowercase else text)


def growing_ids() -> dict[str, int]:
    """Word ids for :func:`encode`: a new word gets the next id when it is looked up."""
    ids: dict[str, int] = defaultdict()
    ids.default_factory = ids.__len__  # type: ignore[attr-defined]
    ids["\n"]  # looked up first, the line break gets the id 0
    return ids


def encode(sentences: Iterable[str], ids: dict[str, int], options: WordOptions) -> Sentences:
    """Replace every token by its id; keep at most ``max_words`` tokens of a sentence.

    ids may grow as words are looked up; the line break must have the id 0. Sentences are read in
    chunks, so that an iterator need not hold all in memory.
    """
    chunks: list[np.ndarray] = []
    lines = (normalised(" ".join(sentence.split())) for sentence in sentences)
    while chunk := list(islice(lines, _CHUNK)):
        tokens = _tokens("\n".join(chunk) + "\n", options.lowercase)
        chunks.append(np.fromiter(map(ids.__getitem__, tokens), dtype=np.int32, count=len(tokens)))
    words = np.concatenate(chunks) if chunks else np.empty(0, np.int32)
    ends = np.flatnonzero(words == PADDING)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    place = np.arange(len(words)) - np.repeat(starts, ends - starts + 1)
    lengths = np.minimum(ends - starts, options.max_words)
    read = words[(words != PADDING) & (place < options.max_words)]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Sentences(torch.from_numpy(read), torch.from_numpy(offsets.astype(np.int64)))


def build_vocabulary(dataset: Dataset, ids: dict[str, int], min_count: int) -> Dataset:
    """Give sentences that were encoded with these ids a vocabulary, and ids in it.

    The vocabulary holds the words of the training split that similar points are drawn from, in the
    order of falling count, then alphabetical. A word that occurs fewer than ``min_count`` times
    there is unknown. Raises DataError if all words are.
    """
    train, _ = dataset.contrastive_splits()
    words = list(ids)
    counts = torch.bincount(as_sentences(train.points).words.long(), minlength=len(words)).tolist()
    frequent = sorted(
        (i for i in range(1, len(words)) if counts[i] >= min_count),
        key=lambda i: (-counts[i], words[i]),
    )
    if not frequent:
        raise DataError(
            f"no word occurs {min_count} times in the training split; lower dataset.min_count"
        )
    new_ids = torch.full((len(words),), UNKNOWN, dtype=torch.int32)
    new_ids[PADDING] = PADDING
    new_ids[torch.tensor(frequent)] = torch.arange(
        len(SPECIAL), len(SPECIAL) + len(frequent), dtype=torch.int32
    )
    return _map_words(dataset, SPECIAL + [words[i] for i in frequent], new_ids)


def replace_vocabulary(dataset: Dataset, vocabulary: list[str]) -> Dataset:
    """The same sentences with the ids of another vocabulary; words that it lacks are unknown."""
    assert dataset.vocabulary is not None
    ids = {word: index for index, word in enumerate(vocabulary)}
    new_ids = [ids.get(word, UNKNOWN) for word in dataset.vocabulary]
    return _map_words(dataset, vocabulary, torch.tensor(new_ids, dtype=torch.int32))


def _map_words(dataset: Dataset, vocabulary: list[str], new_ids: torch.Tensor) -> Dataset:
    """The data set in another vocabulary: word i becomes word new_ids[i]."""
    splits = {
        role: replace(split, points=_map_points(split.points, new_ids))
        for role, split in dataset.splits().items()
    }
    return replace(dataset, vocabulary=vocabulary, **splits)  # type: ignore[arg-type]


def _map_points(points: Points, new_ids: torch.Tensor) -> Sentences | Documents:
    sentences = points.sentences if isinstance(points, Documents) else as_sentences(points)
    mapped = Sentences(new_ids[sentences.words.long()], sentences.offsets)
    return replace(points, sentences=mapped) if isinstance(points, Documents) else mapped


def as_sentences(points: Points) -> Sentences:
    """The points, which must be sentences; else raise TypeError."""
    if not isinstance(points, Sentences):
        raise TypeError("sentences are needed")
    return points
