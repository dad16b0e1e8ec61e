"""Encoders of other installed packages: entry points of the group ``crl.encoders``.

A package offers one in its pyproject.toml: ``[project.entry-points."crl.encoders"] my_encoder =
"my_package:MyEncoder"``. ``MyEncoder()`` must return an ``nn.Module`` whose forward maps uint8
images [m, 3, H, W] to float features [m, d]. It may have a method ``tokens``: images -> [m, T, d].
A configuration only picks an installed encoder by name; it cannot load other code.
"""

from collections.abc import Sequence
from importlib.metadata import entry_points

from torch import Tensor, nn

GROUP = "crl.encoders"


class Installed(nn.Module):
    """An installed encoder by its name ``model``: uint8 [m, 3, H, W] -> [m, d].

    ``mean`` and ``std`` are not used. Raises ValueError if no installed package offers the name, if
    the entry point gives no module, or for a dimension other than 0.
    """

    def __init__(
        self, dimension: int, mean: Sequence[float], std: Sequence[float], model: str
    ) -> None:
        super().__init__()
        offered = {point.name: point for point in entry_points(group=GROUP)}
        if model not in offered:
            raise ValueError(
                f"model: no installed package offers {model!r} as an entry point of {GROUP} "
                f"(offered: {', '.join(sorted(offered)) or 'none is installed'})"
            )
        self.model = offered[model].load()()
        if not isinstance(self.model, nn.Module):
            raise ValueError(
                f"model: {offered[model].value} gives a {type(self.model).__name__}, "
                "not an nn.Module"
            )
        if dimension:
            raise ValueError(
                f"an installed encoder has its own dimension; leave dimension at 0, not {dimension}"
            )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixels)

    def tokens(self, pixels: Tensor) -> Tensor:
        """The encoder's tokens [m, T, d]. Raises ValueError if it has none."""
        if not hasattr(self.model, "tokens"):
            raise ValueError("this encoder has no tokens")
        return self.model.tokens(pixels)
