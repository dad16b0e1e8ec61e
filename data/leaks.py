"""Leaks: points of one split that are in another split too, such as train points in test."""

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from crl.data.dataset import Dataset
from crl.data.points import Documents, Images, Points, Sentences, Vectors


class Leak(NamedTuple):
    """``shared`` of the ``points`` of the split ``asked`` stand in the split ``seen`` too."""

    seen: str
    asked: str
    shared: int
    points: int

    @property
    def message(self) -> str:
        """The warning of it, in one line."""
        share = f"{self.shared} of {self.points} {self.asked} points"
        percent = f"{self.shared / self.points:.2%}"
        return f"{share} ({percent}) are {self.seen} points too".replace("_", " ")


def find_leaks(dataset: Dataset) -> list[Leak]:
    """The pairs of splits that have points in common.

    Two points are the same where an encoder reads the same: the same pixels or numbers, or the same
    word ids in the same order and, in documents, in the same sentences. Words outside the
    vocabulary are therefore alike, and words beyond ``max_words`` do not count. Unlabelled
    documents are compared as wholes: train with dev, and train with the labelled test documents if
    these are held as sentences too.
    """
    points = {
        # The classes of unlabelled sentences are documents.
        role: Documents(split.points, split.offsets)
        if role.startswith("unlabelled") and isinstance(split.points, Sentences)
        else split.points
        for role, split in dataset.splits().items()
    }
    pairs = [("train", "test"), ("train", "dev"), ("dev", "test")]
    if dataset.unlabelled_train is not None:
        pairs.append(("unlabelled_train", "unlabelled_dev"))
        if isinstance(dataset.test.points, Documents):
            pairs.append(("unlabelled_train", "test"))
    digests = {role: list(_digests(points[role])) for role in {r for pair in pairs for r in pair}}
    distinct = {role: set(digests[role]) for role in {seen for seen, _ in pairs}}
    leaks = (
        Leak(seen, asked, sum(d in distinct[seen] for d in digests[asked]), len(digests[asked]))
        for seen, asked in pairs
    )
    return [leak for leak in leaks if leak.shared]


def _digests(points: Points) -> Iterator[bytes]:
    """128 bits for every point. A million points collide by chance with probability 1e-27."""
    if isinstance(points, Images | Vectors):
        yield from _spans(points.rows, torch.arange(len(points) + 1) * points.rows[0].numel())
    elif isinstance(points, Sentences):
        yield from _spans(points.words, points.offsets)
    elif isinstance(points, Documents):
        sentences = points.sentences
        words = _spans(sentences.words, sentences.offsets[points.offsets])
        yield from map(bytes.__add__, words, _spans(sentences.offsets.diff(), points.offsets))
    else:
        raise TypeError(f"points of type {type(points).__name__} cannot be compared")


def _spans(values: Tensor, offsets: Tensor) -> Iterator[bytes]:
    """The digest of values offsets[i] .. offsets[i + 1] - 1 of a flattened tensor, for every i."""
    if values.numel() == 0:  # sentences without a word
        values = values.new_zeros(1)
    content = values.contiguous().flatten().view(torch.uint8).numpy().data
    for start, end in pairwise((offsets * values.element_size()).tolist()):
        yield hashlib.blake2b(content[start:end], digest_size=16).digest()
