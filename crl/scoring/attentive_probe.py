"""A probe that chooses what it looks at: one layer of cross-attention over the tokens of a frozen
encoder, then a linear classifier, as frozen video and image models are evaluated (Bardes et al.,
*Revisiting Feature Prediction*, 2024).
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crl.scoring.classifiers import Classifier

_BATCH = 128
_STEPS, _EPOCHS = 1500, 30  # the larger of both, at most
_LOOK, _PATIENCE = (
    50,
    6,
)  # steps between looks at dev points (an epoch where that is longer); looks without a better one


class AttentiveProbe(nn.Module):
    """Tokens [m, T, d] -> one vector each [m, d], what a learned query attends to; ``classifier``
    scores it: [m, N]."""

    def __init__(self, dimension: int, classes: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, dimension) / dimension**0.5)
        self.scale = nn.LayerNorm(dimension)
        self.attention = nn.MultiheadAttention(dimension, heads, batch_first=True)
        self.out = nn.LayerNorm(dimension)
        self.classifier = nn.Linear(dimension, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.scale(tokens)
        found, _ = self.attention(
            self.query.expand(len(tokens), -1, -1), tokens, tokens, need_weights=False
        )
        return self.out(found[:, 0])


def attend(probe: AttentiveProbe, tokens: Tensor) -> Tensor:
    """What the probe makes of tokens [n, T, d], some at a time: float32 [n, d]."""
    probe.eval()
    with torch.no_grad():
        return torch.cat([probe(part.float()) for part in tokens.split(4 * _BATCH)])


def fit_attentive_probe(
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    classes: int,
    generator: torch.Generator,
    rates: Sequence[float] = (1e-3, 3e-4),
) -> tuple[AttentiveProbe, float]:
    """(the probe of the best dev accuracy over looks and learning rates, that accuracy): (tokens
    [n, T, d], labels [n]).

    AdamW on the cross-entropy, ended where looks at the dev points find nothing better. The first
    of equals stays.
    """
    best: tuple[AttentiveProbe, float] | None = None
    dimension = train[0].shape[2]
    heads = next(count for count in (8, 4, 2, 1) if dimension % count == 0)
    state = torch.get_rng_state()
    try:
        for rate in rates:
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            probe = AttentiveProbe(dimension, classes, heads).to(train[0].device)
            found = _one_rate(probe, train, dev, rate, generator)
            if best is None or found[1] > best[1]:
                best = found
    finally:
        torch.set_rng_state(state)
    assert best is not None
    return best


def _one_rate(
    probe: AttentiveProbe,
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    rate: float,
    generator: torch.Generator,
) -> tuple[AttentiveProbe, float]:
    optimizer = torch.optim.AdamW(probe.parameters(), lr=rate, weight_decay=0.01)
    epoch = -(-len(train[1]) // _BATCH)
    best, accuracy, waited = probe, -1.0, 0
    for step in range(1, max(_STEPS, _EPOCHS * epoch) + 1):
        index = torch.randint(len(train[1]), (_BATCH,), generator=generator).to(train[1].device)
        probe.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(
            probe.classifier(probe(train[0][index].float())), train[1][index]
        ).backward()
        optimizer.step()
        if step % max(_LOOK, epoch):
            continue
        now = float((probe.classifier(attend(probe, dev[0])).argmax(1) == dev[1]).double().mean())
        if now > accuracy:
            best, accuracy, waited = copy.deepcopy(probe), now, 0
        elif (waited := waited + 1) >= _PATIENCE:
            break
    return best, accuracy


def linear_part(probe: AttentiveProbe) -> Classifier:
    """The classifier of what the probe attends to."""
    return Classifier(probe.classifier.weight.detach(), probe.classifier.bias.detach())
