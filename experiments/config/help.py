"""The groups and options of a configuration, as lines of help."""

from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field
from typing import Any

from crl.experiments.config.encoders import ENCODERS
from crl.experiments.config.messages import choices
from crl.experiments.config.own_files import NO_FILES, OwnFiles
from crl.experiments.config.schema import GROUPS, options_by_name

_ORDER = (
    "dataset", "encoder", "objective", "training", "optimizer", "evaluation", "runtime", "",
)  # fmt: skip


def group_lines(own: OwnFiles = NO_FILES) -> Iterator[str]:
    """Give two lines for each group: its choices, and what it decides."""
    readers: dict[str, list[str]] = {}
    for name, choice in ENCODERS.items():
        readers.setdefault(choice.points, []).append(name)
    meanings = {
        "dataset": "where points come from",
        "encoder": "; ".join(f"{kind}: {', '.join(names)}" for kind, names in readers.items()),
        "objective": "what is minimised",
        "optimizer": "how it is minimised",
        "experiment": "the paper's settings; a file holds what differs from the defaults",
    }
    for group, meaning in meanings.items():
        yield f"  {group}={'|'.join(choices(group, own))}"
        yield f"      {meaning}"


def option_lines() -> Iterator[str]:
    """Give a line for each option, grouped as on the command line."""
    options = options_by_name()
    for group in _ORDER:
        for name, (spec, owners) in options.items():
            is_group = not group and not spec.metadata
            if name.rpartition(".")[0] == group and spec.name != "name" and not is_group:
                limited = 0 < len(owners) < len(GROUPS.get(group, ()))
                limit = f"   [{', '.join(owners)}]" if limited else ""
                yield f"  {_option(name, spec)}{limit}"


def _option(name: str, spec: "Field[Any]") -> str:
    factory = spec.default_factory
    default = spec.default if factory is NO_DEFAULT else factory()
    allowed = spec.metadata.get("choices")
    shown = "null" if default is None else str(default).replace(" ", "")
    if isinstance(default, bool):
        shown = shown.lower()
    return f"{name}={shown}" + (f"   ({'|'.join(allowed)})" if allowed else "")
