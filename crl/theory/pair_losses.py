"""Losses of every pair of classes at k = 1 on a finite split, exact by enumeration."""

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.theory.finite_split import FiniteSplit

# Margins at a time. They stay in a core's cache, and PyTorch starts no threads for so few.
ENUMERATED = 2**15 - 1


def unsupervised_pair_losses(split: FiniteSplit, loss: str) -> Tensor:
    """``E l(f(x)·(f(x+) - f(x-)))`` for every pair of classes (c+, c-): float64 [N, N].

    The expectation is over x, x+ ~ D_c+ and x- ~ D_c-, by enumerating all ``sum_c n_c^2 * n``
    triples: section 2's L_un at k = 1 before it is averaged over classes. Raises KeyError for an
    unknown loss.
    """
    sizes = split.sizes
    labels = torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)
    sums = torch.stack(
        [
            _negative_sums(features, start, split, loss)
            for features, start in zip(split.by_class, split.starts.tolist(), strict=True)
        ]
    )
    return torch.zeros_like(sums[:, : len(sizes)]).index_add_(1, labels, sums) / sizes


def _negative_sums(anchors: Tensor, start: int, split: FiniteSplit, loss: str) -> Tensor:
    """The mean loss over all (x, x+) of one class, for each point of the split as x-: [n].

    anchors [n_c, d] are the features of the class, which begin at row ``start``.
    """
    scores = anchors @ split.features.T
    positive = scores[:, start : start + len(anchors)].flatten()
    pairs = torch.arange(len(positive), device=positive.device)
    sums = scores.new_zeros(len(split.features))
    for chunk in pairs.split(max(1, ENUMERATED // len(sums))):
        margins = positive[chunk, None] - scores.index_select(0, chunk // len(anchors))
        sums += LOSSES[loss].of_pair(margins).sum(0)
    return sums / len(positive)


def supervised_pair_losses(split: FiniteSplit, loss: str) -> Tensor:
    """``E_{x ~ D_c+} l(f(x)·(mu_c+ - mu_c-))`` for every pair (c+, c-): float64 [N, N].

    The mean classifier's loss on two classes (section 2), exact; it is 1 on the diagonal. By
    Jensen over x+ and x-, no entry exceeds that of :func:`unsupervised_pair_losses`. Raises
    KeyError for an unknown loss.
    """
    means = split.means
    scores = (features @ means.T for features in split.by_class)
    return torch.stack(
        [LOSSES[loss].of_pair(own[:, [c]] - own).mean(0) for c, own in enumerate(scores)]
    )
