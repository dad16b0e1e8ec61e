"""A small convolutional encoder that trains on a CPU in minutes."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from crl.encoders.images import Standardise


class _To4x4(nn.Module):
    """Average maps to 4x4. Maps of that size, as 32x32 images give, are not copied."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps if maps.shape[-2:] == (4, 4) else nn.functional.adaptive_avg_pool2d(maps, 4)


class SmallCNN(nn.Module):
    """Four 3x3 convolutions and a linear layer: uint8 [m, 3, H, W] -> [m, dimension].

    Batch norm follows each convolution, and three of them are pooled. ``width`` is the number of
    channels of the first layer; the last has four times as many. The linear layer reads a 4x4 map,
    so the place of a shape counts. Its weights start at a quarter of their usual size, which puts
    the first inner products near 1. Larger ones make the objective drive all features to zero
    first, where its gradient vanishes.
    """

    def __init__(
        self, dimension: int, mean: Sequence[float], std: Sequence[float], width: int
    ) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = [Standardise(mean, std)]
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
            if index < 3:
                # Pool before the norm: a quarter of the memory traffic, which takes the time.
                layers.append(nn.MaxPool2d(2))
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        head = nn.Linear(4 * width * 4 * 4, dimension)
        with torch.no_grad():
            head.weight /= 4
        self.layers = nn.Sequential(*layers, _To4x4(), nn.Flatten(), head)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)
