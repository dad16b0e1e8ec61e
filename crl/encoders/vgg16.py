"""VGG-16 for 32x32 images, the paper's CIFAR-100 encoder."""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models import vgg16, vgg16_bn

from crl.encoders.images import Standardise


class VGG16(nn.Module):
    """Torchvision's VGG-16 layers, then a linear layer 512 -> dimension.

    uint8 [m, 3, H, W] with H, W >= 32 -> [m, dimension]. The maps of larger images are averaged to
    one 512-vector.
    """

    def __init__(
        self,
        dimension: int,
        mean: Sequence[float],
        std: Sequence[float],
        batch_norm: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        network = vgg16_bn if batch_norm else vgg16
        self.layers = nn.Sequential(
            Standardise(mean, std),
            network(weights=None, init_weights=True).features,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(512, dimension),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)
