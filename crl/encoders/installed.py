"""Encoders that other installed packages offer: entry points of the group ``crl.encoders``.

A package offers one in its pyproject.toml: ``[project.entry-points."crl.encoders"] my_encoder =
"my_package:MyEncoder"``. Called without arguments, ``MyEncoder`` gives an ``nn.Module`` whose
forward maps uint8 images [m, 3, H, W] to float features [m, d]; a method ``tokens`` [m, 3, H, W] ->
[m, T, d] is welcome. What is installed was chosen by who installed it; a configuration only picks
among these by name.
"""

from collections.abc import Sequence
from importlib.metadata import entry_points

from torch import Tensor, nn

GROUP = "crl.encoders"


class Installed(nn.Module):
    """uint8 [m, 3, H, W] -> [m, d]. Raises ValueError for a name that no installed package
    offers."""

    def __init__(
        self, dimension: int, mean: Sequence[float], std: Sequence[float], model: str
    ) -> None:
        super().__init__()
        offered = {point.name: point for point in entry_points(group=GROUP)}
        if model not in offered:
            known = ", ".join(sorted(offered)) or "none is installed"
            raise ValueError(
                f"model: no installed package offers {model!r} under the entry points {GROUP} ({known})"
            )
        made = offered[model].load()()
        if not isinstance(made, nn.Module):
            raise ValueError(
                f"model: {offered[model].value} gives a {type(made).__name__}, not an nn.Module"
            )
        self.model = made
        if dimension:
            raise ValueError(
                f"an installed encoder has a dimension of its own; leave dimension at 0, not {dimension}"
            )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixels)

    def tokens(self, pixels: Tensor) -> Tensor:
        """[m, T, d] where the encoder has tokens. Raises ValueError where it has none."""
        if not hasattr(self.model, "tokens"):
            raise ValueError("this encoder has no tokens")
        return self.model.tokens(pixels)  # type: ignore[operator]
