"""A gated recurrent encoder of sentences, the paper's Wiki-3029 encoder: the final states of a (bi)GRU."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from crl.encoders.words import sentence_lengths, word_embedding


class GRUEncoder(nn.Module):
    """int64 word ids [m, L] -> [m, dimension]: final hidden states, both directions concatenated if bidirectional.

    ``dropout`` is applied to the word vectors. Raises ValueError for an odd dimension of a bidirectional encoder.
    """

    def __init__(
        self,
        dimension: int,
        vectors: Tensor,
        frozen: bool = True,
        bidirectional: bool = True,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        if dimension % directions:
            raise ValueError(f"a bidirectional GRU needs an even dimension, not {dimension}")
        self.embedding = word_embedding(vectors, frozen)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(vectors.shape[1], dimension // directions, batch_first=True, bidirectional=bidirectional)

    def forward(self, words: Tensor) -> Tensor:
        # Sorted by length and packed, so that no arithmetic is spent on padding.
        lengths, order = sentence_lengths(words).sort(descending=True, stable=True)
        embedded = self.dropout(self.embedding(words[order]))
        packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=True)
        _, final = self.gru(packed)
        features = final.transpose(0, 1).flatten(1)
        return torch.empty_like(features).index_copy(0, order, features)
