"""The identity encoder: features that another program computed, unchanged."""

from torch import Tensor, nn


class Identity(nn.Module):
    """Features float32 [m, d] -> the same; T tokens a point, [m, T, d] -> their mean [m, d].

    It has no weights. Raises ValueError for a dimension other than 0: no layer could change it.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        if dimension:
            raise ValueError(f"features keep their dimension; leave it at 0, not {dimension}")

    def forward(self, points: Tensor) -> Tensor:
        return points.mean(1) if points.dim() == 3 else points

    def tokens(self, points: Tensor) -> Tensor:
        """The tokens [m, T, d] of the points; a plain vector [m, d] is one token."""
        return points if points.dim() == 3 else points[:, None]
