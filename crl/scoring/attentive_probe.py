"""The attentive probe: cross-attention over frozen tokens, then a linear classifier.

Frozen video and image models are evaluated this way (Bardes et al., *Revisiting Feature
Prediction*, 2024).
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crl.scoring.classifiers import Classifier

_BATCH = 128
_STEPS, _EPOCHS = 1500, 30  # training lasts at most the longer of the two
_EVALUATE_EVERY = 50  # steps between dev evaluations, or an epoch if that is longer
_PATIENCE = 6  # dev evaluations without a better one before training stops


class AttentiveProbe(nn.Module):
    """Attention of one learned query: tokens [m, T, d] -> vectors [m, d].

    ``classifier`` maps these vectors to scores [m, N].
    """

    def __init__(self, dimension: int, classes: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, dimension) / dimension**0.5)
        self.scale = nn.LayerNorm(dimension)
        self.attention = nn.MultiheadAttention(dimension, heads, batch_first=True)
        self.out = nn.LayerNorm(dimension)
        self.classifier = nn.Linear(dimension, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.scale(tokens)
        query = self.query.expand(len(tokens), -1, -1)
        return self.out(self.attention(query, tokens, tokens, need_weights=False)[0][:, 0])


def attend(probe: AttentiveProbe, tokens: Tensor) -> Tensor:
    """Map tokens [n, T, d] to the probe's vectors float32 [n, d], some points at a time."""
    probe.eval()
    with torch.no_grad():
        return torch.cat([probe(chunk.float()) for chunk in tokens.split(4 * _BATCH)])


def fit_attentive_probe(
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    classes: int,
    generator: torch.Generator,
    rates: Sequence[float] = (1e-3, 3e-4),
) -> tuple[AttentiveProbe, float]:
    """Train a probe at each learning rate: (the best on dev points, its dev accuracy).

    train and dev are (tokens [n, T, d], labels [n]). AdamW minimises the cross-entropy and stops
    early when dev accuracy rises no more. The first of equal probes wins.
    """
    trained = []
    dimension = train[0].shape[2]
    heads = next(count for count in (8, 4, 2, 1) if dimension % count == 0)
    with torch.random.fork_rng(devices=[]):
        for rate in rates:
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            probe = AttentiveProbe(dimension, classes, heads).to(train[0].device)
            trained.append(_train(probe, train, dev, rate, generator))
    return max(trained, key=lambda probe_and_accuracy: probe_and_accuracy[1])


def _train(
    probe: AttentiveProbe,
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    rate: float,
    generator: torch.Generator,
) -> tuple[AttentiveProbe, float]:
    optimizer = torch.optim.AdamW(probe.parameters(), lr=rate, weight_decay=0.01)
    epoch = -(-len(train[1]) // _BATCH)
    best, best_accuracy, waited = probe, -1.0, 0
    for step in range(1, max(_STEPS, _EPOCHS * epoch) + 1):
        index = torch.randint(len(train[1]), (_BATCH,), generator=generator).to(train[1].device)
        probe.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(
            probe.classifier(probe(train[0][index].float())), train[1][index]
        ).backward()
        optimizer.step()
        if step % max(_EVALUATE_EVERY, epoch):
            continue
        predicted = probe.classifier(attend(probe, dev[0])).argmax(1)
        accuracy = float((predicted == dev[1]).double().mean())
        if accuracy > best_accuracy:
            best, best_accuracy, waited = copy.deepcopy(probe), accuracy, 0
        elif (waited := waited + 1) >= _PATIENCE:
            break
    return best, best_accuracy


def linear_part(probe: AttentiveProbe) -> Classifier:
    """The linear classifier on the vectors of :func:`attend`."""
    return Classifier(probe.classifier.weight.detach(), probe.classifier.bias.detach())
