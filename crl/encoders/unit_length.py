"""Any encoder with its features scaled to length 1."""

from torch import Tensor, nn


class UnitLength(nn.Module):
    """``encoder`` gives features [m, d]; these are on the unit sphere. A feature of length 0 stays
    where it is."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, points: Tensor) -> Tensor:
        return nn.functional.normalize(self.encoder(points), dim=1)
