"""The first layer of the image encoders: raw pixels in, standardised floats out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """Images uint8 [m, 3, H, W] -> float [m, 3, H, W], standardised.

    ``mean`` and ``std`` hold 3 floats each in [0, 1], one for each channel.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.scale = nn.Buffer(1 / (255 * torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1)))
        self.shift = nn.Buffer(
            -torch.tensor(mean).view(1, 3, 1, 1) / torch.tensor(std).view(1, 3, 1, 1)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.addcmul(self.shift, pixels.to(self.scale.dtype), self.scale)
