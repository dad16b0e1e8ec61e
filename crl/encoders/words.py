"""Word vectors and sentence lengths, for the sentence encoders."""

import torch
from torch import Tensor, nn


def word_embedding(vectors: Tensor, frozen: bool) -> nn.Embedding:
    """The word vectors [V, e] as an embedding.

    Row 0 (padding) stays zero. The other rows are trained unless ``frozen``.
    """
    vectors = vectors.float().clone()
    vectors[0] = 0
    return nn.Embedding.from_pretrained(vectors, freeze=frozen, padding_idx=0)


def sentence_lengths(words: Tensor) -> Tensor:
    """The number of words before the padding, at least 1: int64 word ids [m, L] -> [m]."""
    return torch.count_nonzero(words, dim=1).clamp(min=1)
