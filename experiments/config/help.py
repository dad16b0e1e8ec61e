"""The groups and options of a configuration, as lines of help."""

from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields
from typing import Any

from experiments.config.encoders import ENCODERS
from experiments.config.messages import choices
from experiments.config.schema import GROUPS, SECTIONS, Config, OptimizerConfig


def group_lines() -> Iterator[str]:
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
        yield f"  {group}={'|'.join(choices(group))}"
        yield f"      {meaning}"


def option_lines() -> Iterator[str]:
    """Give a line for each option, grouped as on the command line."""
    for group in ("dataset", "encoder", "objective"):
        for spec, users in _options_of_group(group).values():
            limit = "" if len(users) == len(GROUPS[group]) else f"   [{', '.join(users)}]"
            yield f"  {_option(f'{group}.', spec)}{limit}"
    training, *others = SECTIONS.items()
    for section, options in (training, ("optimizer", OptimizerConfig), *others):
        specs = (spec for spec in fields(options) if spec.name != "name")
        yield from (f"  {_option(f'{section}.', spec)}" for spec in specs)
    yield from (f"  {_option('', spec)}" for spec in fields(Config) if spec.metadata)


def _options_of_group(group: str) -> "dict[str, tuple[Field[Any], list[str]]]":
    """Option -> (its field, the choices that have it)."""
    options: dict[str, tuple[Field[Any], list[str]]] = {}
    for name, choice in GROUPS[group].items():
        for spec in fields(choice.options):
            if spec.name != "name":
                options.setdefault(spec.name, (spec, []))[1].append(name)
    return options


def _option(prefix: str, spec: "Field[Any]") -> str:
    factory = spec.default_factory
    default = spec.default if factory is NO_DEFAULT else factory()
    allowed = spec.metadata.get("choices")
    shown = "null" if default is None else str(default).replace(" ", "")
    if isinstance(default, bool):
        shown = shown.lower()
    return f"{prefix}{spec.name}={shown}" + (f"   ({'|'.join(allowed)})" if allowed else "")
