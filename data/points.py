"""Points of one kind in a few tensors: images, feature vectors, sentences, documents."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import torch
from torch import Tensor


class Points(Protocol):
    """A sequence of points of one modality, held in a few flat tensors."""

    def __len__(self) -> int: ...

    def gather(self, index: Tensor) -> Tensor:
        """The points at index [m] as one batch tensor that an encoder reads."""

    def select(self, index: Tensor) -> "Points":
        """The points at index [m] as points again."""

    def to(self, device: torch.device) -> "Points":
        """The same points on another device."""

    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors that hold the points, for fingerprints and the cache."""

    def reading_order(self) -> Tensor:
        """An order of all points: int64 [n]. Neighbours cost about the same to encode."""


_Self = TypeVar("_Self", bound="_Rows")


@dataclass(frozen=True)
class _Rows:
    """Points that are the rows of one tensor."""

    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, index: Tensor) -> Tensor:
        return self.rows[index]

    def select(self: _Self, index: Tensor) -> _Self:
        return type(self)(self.rows[index])

    def to(self: _Self, device: torch.device) -> _Self:
        return type(self)(self.rows.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.rows,)

    def reading_order(self) -> Tensor:
        return torch.arange(len(self), device=self.rows.device)


class Images(_Rows):
    """Images: rows uint8 [n, 3, H, W]."""


class Vectors(_Rows):
    """Feature vectors: rows float32 [n, d], or [n, T, d] for T tokens of each point."""


@dataclass(frozen=True)
class Sentences:
    """Word ids of n sentences laid end to end: words int32 [T], offsets int64 [n + 1].

    Sentence i holds the words offsets[i] .. offsets[i + 1] - 1. Id 0 is the padding.
    """

    words: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def gather(self, index: Tensor) -> Tensor:
        """Word ids int64 [m, L], padded with 0 to the longest of these sentences."""
        lengths = self._lengths.index_select(0, index)
        width = max(int(lengths.max()), 1) if len(index) else 1
        # Row i of the view begins at place i: copying whole rows is faster than looking up words
        # one by one.
        words = self._padded_words.unfold(0, width, 1)
        words = words.index_select(0, self.offsets.index_select(0, index))
        padding = torch.arange(width, device=index.device) >= lengths[:, None]
        return words.masked_fill_(padding, 0).long()

    def select(self, index: Tensor) -> "Sentences":
        places, offsets = _spans(self.offsets, index)
        return Sentences(self.words[places], offsets)

    def to(self, device: torch.device) -> "Sentences":
        if device == self.words.device:
            return self  # it keeps its cached properties
        return Sentences(self.words.to(device), self.offsets.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.words, self.offsets)

    def reading_order(self) -> Tensor:
        """An order by length, so that a batch holds little padding."""
        return self._lengths.argsort(stable=True)

    @cached_property
    def _lengths(self) -> Tensor:
        return self.offsets.diff()

    @cached_property
    def _padded_words(self) -> Tensor:
        """The words, then as many zeros as the longest sentence has words.

        A run of that length therefore begins at every place.
        """
        longest = max(int(self._lengths.max()), 1) if len(self) else 1
        return torch.cat([self.words, self.words.new_zeros(longest)])


@dataclass(frozen=True)
class Documents:
    """Documents, each a run of sentences: offsets int64 [n + 1].

    Document i holds the sentences offsets[i] .. offsets[i + 1] - 1. Its feature is the mean of
    their features, so every document needs a sentence.
    """

    sentences: Sentences
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def gather(self, index: Tensor) -> Tensor:
        """All sentences of the documents at index [m], document after document: int64 [s, L]."""
        return self.sentences.gather(_spans(self.offsets, index)[0])

    def select(self, index: Tensor) -> "Documents":
        places, offsets = _spans(self.offsets, index)
        return Documents(self.sentences.select(places), offsets)

    def to(self, device: torch.device) -> "Documents":
        return Documents(self.sentences.to(device), self.offsets.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        return (*self.sentences.tensors(), self.offsets)

    def reading_order(self) -> Tensor:
        """An order by number of sentences."""
        return self.offsets.diff().argsort(stable=True)

    def means(self, features: Tensor) -> Tensor:
        """The mean of sentence features [s, d] over every document: [n, d]."""
        return torch.segment_reduce(features, "mean", offsets=self.offsets)


def offsets_of(lengths: Tensor) -> Tensor:
    """The beginnings of runs of these lengths [n], end to end, and the end: int64 [n + 1]."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def _spans(offsets: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """(every place inside the spans at index [m], span after span; offsets of those spans)."""
    lengths = offsets[index + 1] - offsets[index]
    ends = offsets_of(lengths)
    places = torch.arange(int(ends[-1]), device=index.device)
    return places + (offsets[index] - ends[:-1]).repeat_interleave(lengths), ends
