"""Optimisers by name, and the learning rate as a function of the step alone (so that a resumed run
has the same)."""

import math
from collections.abc import Iterable

import torch
from omegaconf import DictConfig
from torch import nn

from experiments.config.schema import OptimizerConfig


def build_optimizer(
    options: DictConfig, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum; weight decay on matrices only, not on biases and batch
    norm."""
    trained = [p for p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if options.name == "sgd":
        return torch.optim.SGD(
            groups,
            lr=options.lr,
            momentum=options.momentum,
            nesterov=options.momentum > 0,
            fused=True,
        )
    return torch.optim.AdamW(
        groups, lr=options.lr, fused=True
    )  # one pass over the weights instead of a dozen


def learning_rate(options: DictConfig | OptimizerConfig, step: int, steps: int) -> float:
    """Rate of step 0..steps-1: linear warm-up over a share of the steps, then constant or half a
    cosine to zero."""
    warmup = math.ceil(options.warmup * steps)
    if step < warmup:
        return options.lr * (step + 1) / (warmup + 1)
    if options.schedule == "constant":
        return options.lr
    progress = (step - warmup) / max(steps - warmup, 1)
    return options.lr * 0.5 * (1 + math.cos(math.pi * progress))
