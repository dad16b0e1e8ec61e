"""An option with its bounds, and a choice with its options. Imports no torch."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any


def option(
    default: Any,
    line: str,
    *,
    unit: str = "",
    null: str = "",
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
    package: str | None = None,
    changes_result: bool = True,
    new: bool = False,
) -> Any:
    """A field with a line of help, and bounds: inclusive (least, most), exclusive (above, below).

    ``line``: what the option does, one sentence of at most 90 characters; help adds the value, the
    ``unit``, the bounds, the choices and what ``null`` means. The bounds of a list hold for each
    item. ``package``: the package that the option needs. ``changes_result``: False if no number can
    depend on the option. ``new``: True if runs are named as before the option came while it has its
    default, which does what was done then.
    """
    metadata: dict[str, Any] = {"line": line, "unit": unit, "null": null}
    metadata |= {"least": least, "most": most, "above": above, "below": below, "choices": choices}
    metadata |= {"package": package, "changes_result": changes_result, "new": new}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def changed(options: type, name: str, default: Any) -> Any:
    """The option of this name of a parent class, with another default."""
    (spec,) = (spec for spec in fields(options) if spec.name == name)
    return field(default=default, metadata=spec.metadata)


# Bound -> whether a value keeps it, and how it is said.
_BOUNDS: dict[str, tuple[Callable[[Any, float], bool], str]] = {
    "least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


def is_within(value: Any, metadata: Mapping[str, Any]) -> bool:
    """Return whether a single value keeps the bounds of an option."""
    return all(
        is_kept(value, metadata[kind])
        for kind, (is_kept, _) in _BOUNDS.items()
        if metadata.get(kind) is not None
    )


def bounds_in_words(metadata: Mapping[str, Any]) -> str:
    """The bounds of an option, such as "above 0 and at most 1"; empty if it has none."""
    return " and ".join(
        f"{words} {metadata[kind]:g}"
        for kind, (_, words) in _BOUNDS.items()
        if metadata.get(kind) is not None
    )


@dataclass(frozen=True)
class Choice:
    """A choice of a group, such as a data set, behind its name on the command line.

    ``options``: the dataclass of its options, which states their defaults. ``target``: the class or
    function behind it, or its ``package.module:name``, which is imported when a run uses it.
    ``points``: what a data set holds or an encoder reads ("images", "sentences" or "features").
    ``defaults``: what an installed data set changes elsewhere, by names as on the command line:
    ``{"encoder": "gru", "training.steps": 300}``.
    """

    options: type
    target: str | Callable[..., Any] = ""
    points: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """Return the target; import it first if it is only named."""
        if callable(self.target):
            return self.target
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)
