"""A gated recurrent encoder of sentences, the paper's Wiki-3029 encoder: the final states of a
(bi)GRU."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from crl.encoders.words import sentence_lengths, word_embedding


class GRUEncoder(nn.Module):
    """int64 word ids [m, L] -> [m, dimension]: final hidden states, both directions concatenated if
    bidirectional.

    ``dropout`` is applied to the word vectors. Raises ValueError for an odd dimension of a
    bidirectional encoder.
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
            raise ValueError(
                f"a bidirectional GRU needs an even encoder.dimension, not {dimension}"
            )
        self.embedding = word_embedding(vectors, frozen)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(vectors.shape[1], dimension // directions, bidirectional=bidirectional)

    def forward(self, words: Tensor) -> Tensor:
        # Sorted by length and packed before anything is looked up, so that no arithmetic is spent
        # on padding.
        lengths, order = sentence_lengths(words).sort(descending=True, stable=True)
        packed = pack_padded_sequence(words[order], lengths.cpu(), batch_first=True)
        embedded = self.dropout(self.embedding(packed.data))
        if embedded.is_cuda:
            _, states = self.gru(PackedSequence(embedded, packed.batch_sizes))
            final = states.transpose(0, 1).flatten(1)
        else:
            final = final_states(self.gru, embedded, packed.batch_sizes.tolist())
        return torch.empty_like(final).index_copy(0, order, final)


def final_states(gru: nn.GRU, data: Tensor, sizes: list[int]) -> Tensor:
    """What ``gru`` (one layer) has read at the end of each sequence, directions side by side:
    [sizes[0], d].

    data [T, e] and sizes are those of a PackedSequence: sizes[t] sequences have a word at time t,
    longest first. The same as ``nn.GRU``, which on a CPU takes twice as long: its backward pass
    fills a gradient of the size of all inputs at every time step.
    """
    finals = []
    for suffix in ("", "_reverse") if gru.bidirectional else ("",):
        inputs = torch.addmm(
            getattr(gru, f"bias_ih_l0{suffix}"), data, getattr(gru, f"weight_ih_l0{suffix}").T
        )
        weight, bias = getattr(gru, f"weight_hh_l0{suffix}").T, getattr(gru, f"bias_hh_l0{suffix}")
        read = _backwards if suffix else _forwards
        finals.append(read(inputs.split(sizes), weight, bias))
    return torch.cat(finals, dim=1)


def _forwards(inputs: tuple[Tensor, ...], weight: Tensor, bias: Tensor) -> Tensor:
    state = inputs[0].new_zeros(len(inputs[0]), len(weight))
    ended = []
    for step in inputs:
        if len(step) < len(state):
            ended.append(state[len(step) :])
            state = state[: len(step)]
        state = _cell(step, state, weight, bias)
    return torch.cat([state, *reversed(ended)])


def _backwards(inputs: tuple[Tensor, ...], weight: Tensor, bias: Tensor) -> Tensor:
    state = inputs[0].new_zeros(0, len(weight))
    for step in reversed(inputs):
        if len(step) > len(state):
            state = torch.cat([state, state.new_zeros(len(step) - len(state), len(weight))])
        state = _cell(step, state, weight, bias)
    return state


def _cell(inputs: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One step: inputs [n, 3h] (reset, update, new; already projected), state [n, h] -> [n, h]."""
    hidden = torch.addmm(bias, state, weight)
    width = state.shape[1]
    reset, update = torch.sigmoid(inputs[:, : 2 * width] + hidden[:, : 2 * width]).chunk(2, dim=1)
    new = torch.tanh(torch.addcmul(inputs[:, 2 * width :], reset, hidden[:, 2 * width :]))
    return torch.lerp(new, state, update)
