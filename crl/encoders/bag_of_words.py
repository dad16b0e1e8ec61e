"""The mean of a sentence's word vectors, then a linear layer."""

from torch import Tensor, nn

from crl.encoders.words import sentence_lengths, word_embedding


class BagOfWords(nn.Module):
    """int64 word ids [m, L] -> [m, dimension]. ``dropout`` is applied to the mean vector."""

    def __init__(self, dimension: int, vectors: Tensor, frozen: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = word_embedding(vectors, frozen)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(vectors.shape[1], dimension)

    def forward(self, words: Tensor) -> Tensor:
        total = self.embedding(words).sum(1)
        return self.linear(self.dropout(total / sentence_lengths(words)[:, None]))
