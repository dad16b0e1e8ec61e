"""Points of one kind in one tensor: images, feature vectors, sentences, documents of sentences."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor


class Points(Protocol):
    """A sequence of points of one modality, held as a few flat tensors."""

    def __len__(self) -> int: ...

    def gather(self, index: Tensor) -> Tensor:
        """The points at index [m] as one batch tensor that an encoder reads."""

    def select(self, index: Tensor) -> "Points":
        """The points at index [m] as points again."""

    def to(self, device: torch.device) -> "Points":
        """The same points on that device."""

    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors that hold them, for fingerprints and the cache."""

    def reading_order(self) -> Tensor:
        """An order of all points in which neighbours cost about the same to encode: int64 [n]."""


@dataclass(frozen=True)
class Images:
    """pixels: uint8 [n, 3, H, W]."""

    pixels: Tensor

    def __len__(self) -> int:
        return len(self.pixels)

    def gather(self, index: Tensor) -> Tensor:
        """uint8 [m, 3, H, W]."""
        return self.pixels[index]

    def select(self, index: Tensor) -> "Images":
        return Images(self.pixels[index])

    def to(self, device: torch.device) -> "Images":
        return Images(self.pixels.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.pixels,)

    def reading_order(self) -> Tensor:
        return torch.arange(len(self), device=self.pixels.device)


@dataclass(frozen=True)
class Vectors:
    """features: float32 [n, d], or [n, T, d] for T tokens of each point."""

    features: Tensor

    def __len__(self) -> int:
        return len(self.features)

    def gather(self, index: Tensor) -> Tensor:
        """float32 [m, d] or [m, T, d]."""
        return self.features[index]

    def select(self, index: Tensor) -> "Vectors":
        return Vectors(self.features[index])

    def to(self, device: torch.device) -> "Vectors":
        return Vectors(self.features.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.features,)

    def reading_order(self) -> Tensor:
        return torch.arange(len(self), device=self.features.device)


@dataclass(frozen=True)
class Sentences:
    """Word ids of n sentences laid end to end: words int32 [T], offsets int64 [n + 1]. Id 0 is the
    padding."""

    words: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def gather(self, index: Tensor) -> Tensor:
        """int64 [m, L], padded with 0 to the longest sentence among them."""
        lengths = self._lengths.index_select(0, index)
        width = max(int(lengths.max()), 1) if len(index) else 1
        # Row i of the view begins at place i: whole rows are copied faster than words are found one
        # by one.
        words = self._runs.unfold(0, width, 1).index_select(0, self.offsets.index_select(0, index))
        return words.masked_fill_(
            torch.arange(width, device=index.device) >= lengths[:, None], 0
        ).long()

    @cached_property
    def _lengths(self) -> Tensor:
        return self.offsets.diff()

    @cached_property
    def _runs(self) -> Tensor:
        """The words, then as many zeros as the longest sentence has words: a run of its length
        begins at every place."""
        longest = max(int(self._lengths.max()), 1) if len(self) else 1
        return torch.cat([self.words, self.words.new_zeros(longest)])

    def select(self, index: Tensor) -> "Sentences":
        inside, offsets = _spans(self.offsets, index)
        return Sentences(self.words[inside], offsets)

    def to(self, device: torch.device) -> "Sentences":
        if device == self.words.device:
            return self  # with what it has cached
        return Sentences(self.words.to(device), self.offsets.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.words, self.offsets)

    def reading_order(self) -> Tensor:
        """By length, so that a batch holds little padding."""
        return self._lengths.argsort(stable=True)


@dataclass(frozen=True)
class Documents:
    """n documents, each a run of sentences: document i holds offsets[i] .. offsets[i + 1] - 1;
    offsets int64 [n + 1].

    A document's feature is the mean of its sentences' features, so every document needs a sentence.
    """

    sentences: Sentences
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def gather(self, index: Tensor) -> Tensor:
        """int64 [s, L]: all sentences of the documents at index [m], one document after the
        other."""
        return self.sentences.gather(_spans(self.offsets, index)[0])

    def select(self, index: Tensor) -> "Documents":
        inside, offsets = _spans(self.offsets, index)
        return Documents(self.sentences.select(inside), offsets)

    def to(self, device: torch.device) -> "Documents":
        return Documents(self.sentences.to(device), self.offsets.to(device))

    def tensors(self) -> tuple[Tensor, ...]:
        return (*self.sentences.tensors(), self.offsets)

    def reading_order(self) -> Tensor:
        """By number of sentences."""
        return self.offsets.diff().argsort(stable=True)

    def means(self, features: Tensor) -> Tensor:
        """Features of the sentences [s, d] -> their mean in every document [n, d]."""
        return torch.segment_reduce(features, "mean", offsets=self.offsets)


def _spans(offsets: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """(every place inside the spans at index [m], span after span; the offsets [m + 1] of those
    spans laid end to end)."""
    lengths = offsets[index + 1] - offsets[index]
    ends = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    inside = torch.arange(int(ends[-1]), device=index.device)
    return inside + (offsets[index] - ends[:-1]).repeat_interleave(lengths), ends
