"""Encoders made of other encoders: two side by side, and one with features of length 1."""

import torch
from torch import Tensor, nn


class EncoderPair(nn.Module):
    """Two encoders with their features concatenated: a batch -> [m, d1 + d2].

    Quick Thoughts trains such a pair (Logeswaran & Lee 2018).
    """

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, points: Tensor) -> Tensor:
        return torch.cat([self.first(points), self.second(points)], dim=1)


class UnitLength(nn.Module):
    """An encoder with its features [m, d] scaled to length 1. A feature of length 0 stays 0."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, points: Tensor) -> Tensor:
        return nn.functional.normalize(self.encoder(points), dim=1)
