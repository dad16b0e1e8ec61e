"""What the sentence encoders share: the word vectors and sentence lengths."""

import torch
from torch import Tensor, nn


def word_embedding(vectors: Tensor, frozen: bool) -> nn.Embedding:
    """vectors [V, e] as an embedding; row 0 (padding) stays zero, the rest is trained unless
    frozen."""
    vectors = vectors.float().clone()
    vectors[0] = 0
    return nn.Embedding.from_pretrained(vectors, freeze=frozen, padding_idx=0)


def sentence_lengths(words: Tensor) -> Tensor:
    """Number of words before the padding, at least 1: [m, L] -> [m]."""
    return torch.count_nonzero(words, dim=1).clamp(min=1)
