"""Points that lie in two splits: what is learned from one is then asked for in the other."""

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from data.dataset import Dataset
from data.points import Documents, Images, Points, Sentences, Vectors
from data.split import Split

_SEEN_BEFORE = (("train", "test"), ("train", "dev"), ("dev", "test"))


class Leak(NamedTuple):
    """``shared`` of the ``points`` of the split ``asked`` are in ``seen`` too."""

    seen: str
    asked: str
    shared: int
    points: int


def find_leaks(dataset: Dataset) -> list[Leak]:
    """The pairs of splits that have points in common; points are the same where an encoder reads
    the same.

    Those are the same pixels, or the same word ids in the same order (of a document, of each of its
    sentences): words outside of the vocabulary are alike, and words past ``max_words`` do not
    count. Unlabelled documents are compared as wholes with each other, and with the labelled ones
    where those are held as sentences too.
    """
    splits = dataset.splits()
    points = {
        role: _as_documents(split) if role.startswith("unlabelled") else split.points
        for role, split in splits.items()
    }
    pairs = list(_SEEN_BEFORE)
    if dataset.unlabelled_train is not None:
        pairs.append(("unlabelled_train", "unlabelled_dev"))
        if isinstance(dataset.test.points, Documents):
            pairs.append(("unlabelled_train", "test"))
    digests = {
        role: list(_digests(points[role])) for role in {role for pair in pairs for role in pair}
    }
    distinct = {role: set(digests[role]) for role in {seen for seen, _ in pairs}}
    found = []
    for seen, asked in pairs:
        shared = sum(digest in distinct[seen] for digest in digests[asked])
        if shared:
            found.append(Leak(seen, asked, shared, len(digests[asked])))
    return found


def _as_documents(split: Split) -> Points:
    """The classes of a split of sentences as points."""
    return (
        Documents(split.points, split.offsets)
        if isinstance(split.points, Sentences)
        else split.points
    )


def _digests(points: Points) -> Iterator[bytes]:
    """Of every point: 128 bits, so that a million points give a false alarm with a chance of
    1e-27."""
    if isinstance(points, Images | Vectors):
        (values,) = points.tensors()
        yield from _spans(values, torch.arange(len(points) + 1) * values[0].numel())
    elif isinstance(points, Sentences):
        yield from _spans(points.words, points.offsets)
    elif isinstance(points, Documents):
        sentences = points.sentences
        words = _spans(sentences.words, sentences.offsets[points.offsets])
        yield from map(bytes.__add__, words, _spans(sentences.offsets.diff(), points.offsets))
    else:
        raise TypeError(f"no content of {type(points).__name__} is known")


def _spans(values: Tensor, offsets: Tensor) -> Iterator[bytes]:
    """Of the values offsets[i] .. offsets[i + 1] - 1 of a flattened tensor, for every i."""
    if values.numel() == 0:  # sentences without a word
        values = values.new_zeros(1)
    content = values.contiguous().flatten().view(torch.uint8).numpy().data
    for start, end in pairwise((offsets * values.element_size()).tolist()):
        yield hashlib.blake2b(content[start:end], digest_size=16).digest()
