"""A small convolutional encoder that trains on a CPU in minutes."""

from collections.abc import Sequence

from torch import Tensor, nn

from crl.encoders.images import Standardise


class SmallCNN(nn.Module):
    """uint8 [m, 3, H, W] -> [m, dimension]: four 3x3 convolutions with batch norm, three poolings, a linear layer.

    ``width`` is the number of channels of the first layer; the last has four times as many.
    """

    def __init__(self, dimension: int, mean: Sequence[float], std: Sequence[float], width: int = 32) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = [Standardise(mean, std)]
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            if index < 3:
                layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, dimension))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)
