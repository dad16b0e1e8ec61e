"""Features that another program computed, as they are."""

from torch import Tensor, nn


class Identity(nn.Module):
    """float32 [m, d] -> itself; of T tokens each, [m, T, d] -> their mean [m, d]. Has no weights.

    Raises ValueError for a dimension that is not 0: there is no layer that could change it.
    """

    def __init__(self, dimension: int = 0) -> None:
        super().__init__()
        if dimension:
            raise ValueError(
                f"features are taken as they are; leave dimension at 0, not {dimension}"
            )

    def forward(self, points: Tensor) -> Tensor:
        return points.mean(1) if points.dim() == 3 else points

    def tokens(self, points: Tensor) -> Tensor:
        """[m, T, d]; a plain vector is one token."""
        return points if points.dim() == 3 else points[:, None]
