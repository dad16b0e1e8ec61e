"""Optimisers by name, and the learning rate as a function of the step alone.

A resumed run therefore has the learning rates of an uninterrupted one.
"""

import math
from collections.abc import Iterable

import torch
from torch import nn

from crl.experiments.config.schema import OptimizerConfig


def build_optimizer(
    options: OptimizerConfig, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Return AdamW, or SGD with Nesterov momentum.

    Weight decay applies to matrices only, not to biases and batch norm.
    """
    trained = [p for p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    # fused: one pass over the weights instead of a dozen.
    if options.name == "sgd":
        momentum = options.momentum
        return torch.optim.SGD(
            groups, lr=options.lr, momentum=momentum, nesterov=momentum > 0, fused=True
        )
    return torch.optim.AdamW(groups, lr=options.lr, fused=True)


def learning_rate(options: OptimizerConfig, step: int, steps: int) -> float:
    """Return the rate of step 0..steps-1.

    It rises linearly over the warm-up's share of the steps. Then it is constant, or falls to zero
    along half a cosine.
    """
    warmup = math.ceil(options.warmup * steps)
    if step < warmup:
        return options.lr * (step + 1) / (warmup + 1)
    if options.schedule == "constant":
        return options.lr
    progress = (step - warmup) / max(steps - warmup, 1)
    return options.lr * 0.5 * (1 + math.cos(math.pi * progress))
