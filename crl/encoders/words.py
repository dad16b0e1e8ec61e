"""The word embedding of the sentence encoders."""

from torch import Tensor, nn


def word_embedding(vectors: Tensor, frozen: bool) -> nn.Embedding:
    """The word vectors [V, e] as an embedding.

    Row 0 (padding) stays zero. The other rows are trained unless ``frozen``.
    """
    vectors = vectors.float().clone()
    vectors[0] = 0
    return nn.Embedding.from_pretrained(vectors, freeze=frozen, padding_idx=0)
