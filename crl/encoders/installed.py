"""Encoders of other installed packages: entry points of the group ``crl.encoders``.

A package offers one in its pyproject.toml: ``[project.entry-points."crl.encoders"] my_encoder =
"my_package:MyEncoder"``. ``MyEncoder()``, called without arguments, must return an ``nn.Module``
whose forward maps uint8 images [m, 3, H, W] to float features [m, d]. It may have a method
``tokens``: images -> [m, T, d]. A configuration only picks an installed encoder by name; it cannot
load other code.
"""

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from torch import Tensor, nn

from crl.encoders.failures import first_line

GROUP = "crl.encoders"


class Installed(nn.Module):
    """An installed encoder by its name ``model``: uint8 [m, 3, H, W] -> [m, d].

    ``mean`` and ``std`` are not used. Raises ValueError unless exactly one installed package offers
    the name, if the entry point fails or gives no module, and for a dimension other than 0.
    """

    def __init__(
        self, dimension: int, mean: Sequence[float], std: Sequence[float], model: str
    ) -> None:
        super().__init__()
        points = {point for point in entry_points(group=GROUP) if point.name == model}
        if not points:
            offered = sorted({point.name for point in entry_points(group=GROUP)})
            raise ValueError(
                f"model: no installed package offers {model!r} as an entry point of {GROUP} "
                f"(offered: {', '.join(offered) or 'none is installed'})"
            )
        values = sorted({point.value for point in points})
        if len(values) > 1:
            raise ValueError(
                f"model: {len(values)} installed packages offer {model!r} ({', '.join(values)}); "
                "uninstall all but one"
            )
        self.model: nn.Module = _built(points.pop())
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
        return self.model.tokens(pixels)  # type: ignore[operator]


def _built(point: EntryPoint) -> nn.Module:
    try:
        target = point.load()
    except (Exception, SystemExit) as error:  # a module may do anything when it is imported
        raise ValueError(
            f"model: {point.value} cannot be imported ({first_line(error)})"
        ) from error
    if not callable(target):  # such as a Choice with options
        raise ValueError(
            f"model: {point.value} is a {type(target).__name__}, which nothing can call; where it "
            f"has options of its own, choose encoder={point.name}"
        )
    try:
        module = target()
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"model: {point.value}, which is called without arguments, fails ({first_line(error)})"
        ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"model: {point.value} gives a {type(module).__name__}, not an nn.Module")
    return module
