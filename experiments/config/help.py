"""The groups and options of a configuration, as lines of help."""

from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields
from typing import Any

from crl.encoders import ENCODERS
from experiments.config.compose import choices
from experiments.config.schema import SCHEMAS, Config, TrainingConfig


def _by_modality() -> dict[str, list[str]]:
    """What an encoder reads -> the encoders that do."""
    found: dict[str, list[str]] = {}
    for name, entry in ENCODERS.items():
        found.setdefault(entry.reads, []).append(name)
    return found


_GROUPS = {
    "dataset": "where points come from",
    "encoder": "; ".join(f"{kind}: {', '.join(names)}" for kind, names in _by_modality().items()),
    "objective": "what is minimised",
    "optimizer": "how",
    "experiment": "the paper's settings, each a file of differences",
}


def group_lines() -> Iterator[str]:
    """One line a group: its choices and what it decides."""
    for group, meaning in _GROUPS.items():
        yield f"  {group}={'|'.join(choices(group))}"
        yield f"      {meaning}"


def option_lines() -> Iterator[str]:
    """One line an option, grouped as on the command line."""
    for group in ("dataset", "encoder", "objective"):
        shown: set[str] = set()
        for schema in SCHEMAS[group].values():
            for spec in fields(schema):
                if spec.name != "name" and spec.name not in shown:
                    shown.add(spec.name)
                    users = [
                        c
                        for c, s in SCHEMAS[group].items()
                        if spec.name in {f.name for f in fields(s)}
                    ]
                    limit = "" if len(users) == len(SCHEMAS[group]) else f"   [{', '.join(users)}]"
                    yield f"  {_option(f'{group}.', spec)}{limit}"
    parts: dict[str, Any] = {
        "training": TrainingConfig,
        **{g: next(iter(s.values())) for g, s in SCHEMAS.items()},
    }
    for part in ("training", "optimizer", "evaluation", "runtime"):
        yield from (
            f"  {_option(f'{part}.', spec)}" for spec in fields(parts[part]) if spec.name != "name"
        )
    yield from (
        f"  {_option('', spec)}" for spec in fields(Config) if "changes_result" in spec.metadata
    )


def _option(prefix: str, spec: "Field[Any]") -> str:
    factory = spec.default_factory
    default = spec.default if factory is NO_DEFAULT else factory()
    allowed = spec.metadata.get("choices")
    shown = "null" if default is None else str(default).replace(" ", "")
    if isinstance(default, bool):
        shown = shown.lower()
    return f"{prefix}{spec.name}={shown}" + (f"   ({'|'.join(allowed)})" if allowed else "")
