"""The GRU sentence encoder, the paper's for Wiki-3029: the final states of a (bi)GRU."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from crl.encoders.words import word_embedding


class GRUEncoder(nn.Module):
    """A GRU on word vectors: int64 word ids [m, L] -> final hidden states [m, dimension].

    If bidirectional, the states of both directions are concatenated. Dropout applies to the word
    vectors. Raises ValueError for an odd dimension of a bidirectional encoder.
    """

    def __init__(
        self, dimension: int, vectors: Tensor, frozen: bool, bidirectional: bool, dropout: float
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
        # Sort by length and pack before the look-up: no arithmetic is spent on padding. An empty
        # sentence counts as one word.
        lengths, order = words.count_nonzero(1).clamp(min=1).sort(descending=True, stable=True)
        packed = pack_padded_sequence(words[order], lengths.cpu(), batch_first=True)
        embedded = self.dropout(self.embedding(packed.data))
        read = final_states if embedded.is_cuda else final_states_on_cpu
        final = read(self.gru, PackedSequence(embedded, packed.batch_sizes))
        return torch.empty_like(final).index_copy(0, order, final)


def final_states(gru: nn.GRU, words: PackedSequence) -> Tensor:
    """The states of a one-layer GRU at the end of each sequence: [m, d]. The definition.

    The m sequences are sorted by length, longest first. The states of two directions stand side by
    side.
    """
    _, states = gru(words)
    return states.transpose(0, 1).flatten(1)


def final_states_on_cpu(gru: nn.GRU, words: PackedSequence) -> Tensor:
    """:func:`final_states` as a loop over time, which takes half the time on a CPU.

    There the backward pass of ``nn.GRU`` fills a gradient of the size of all inputs at every step.
    """
    sizes = words.batch_sizes.tolist()  # sizes[t] sequences have a word at time t
    finals = []
    readers = (_forwards, _backwards)  # a GRU of one direction uses the first alone
    for read, (weight_in, weight, bias_in, bias) in zip(readers, gru.all_weights, strict=False):
        inputs = torch.addmm(bias_in, words.data, weight_in.T)
        finals.append(read(inputs.split(sizes), weight.T, bias))
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
    """One time step: projected inputs [n, 3h] (reset, update, new), state [n, h] -> [n, h]."""
    hidden = torch.addmm(bias, state, weight)
    width = state.shape[1]
    reset, update = torch.sigmoid(inputs[:, : 2 * width] + hidden[:, : 2 * width]).chunk(2, dim=1)
    new = torch.tanh(torch.addcmul(inputs[:, 2 * width :], reset, hidden[:, 2 * width :]))
    return torch.lerp(new, state, update)
