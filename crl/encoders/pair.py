"""Two encoders of the same kind side by side, as Quick Thoughts trains them."""

import torch
from torch import Tensor, nn


class EncoderPair(nn.Module):
    """A batch -> [m, 2 dimension]: the features of both encoders, concatenated (Logeswaran & Lee
    2018)."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, points: Tensor) -> Tensor:
        return torch.cat([self.first(points), self.second(points)], dim=1)
