"""Overrides as Hydra's grammar can read them: paths of any characters, and models."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence

from antlr4.error.Errors import RecognitionException
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from crl.data.files.cache import expand_user

# The options that take a path.
PATHS = ("dataset.root", "encoder.weights", "encoder.glove_path", "run_dir", "output_dir")

_PLAIN = re.compile(r"[A-Za-z_./-][\w./-]*", re.ASCII)  # Hydra's grammar knows no other letters
_NO_TEXT = ("true", "false", "null", "inf", "nan")  # as Hydra reads these words


def quoted(value: object) -> str:
    """A value as an override may hold it, whatever characters it has."""
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    return QuotedString(text, Quote.single).with_quotes()


def as_typed(name: str, value: str) -> str:
    """``NAME=VALUE`` as one types it in a shell, so that Hydra reads the value as it is."""
    override = f"{name}={QuotedString(value, Quote.single).with_quotes()}"
    return shlex.quote(override) if set(override) & set('"$`\\!') else f'"{override}"'


def for_hydra(overrides: Sequence[str]) -> Iterator[str]:
    """Spell out ``encoder=torchvision:MODEL`` and ``encoder=installed:MODEL``; quote paths."""
    for override in with_quoted_paths(overrides):
        choice, colon, model = override.partition(":")
        if colon and choice in ("encoder=torchvision", "encoder=installed"):
            yield from (choice, f"encoder.model={quoted(model)}")
        else:
            yield override


def with_quoted_paths(overrides: Sequence[str]) -> Iterator[str]:
    """Quote the paths that Hydra would refuse, or read as a number: ``run_dir=007``.

    What Hydra reads as several values or as a reference stays as it is.
    """
    for override in overrides:
        name, _, value = override.partition("=")
        if name.lstrip("+") in PATHS and _needs_quotes(override, value):
            yield f"{name}={QuotedString(value, Quote.single).with_quotes()}"
        else:
            yield override


def as_yaml(overrides: Sequence[str]) -> Iterator[str]:
    """The overrides of a stored configuration, whose values are YAML: paths become strings."""
    for override in overrides:
        name, _, value = override.partition("=")
        is_text = name in PATHS and value != "null" and value[:1] not in ("'", '"')
        yield f"{name}={json.dumps(value)}" if is_text else override


def _needs_quotes(override: str, value: str) -> bool:
    try:
        read = OverridesParser.create().parse_override(override).value()
    except (HydraException, RecognitionException, ValueError):
        if value.startswith(("'", '"')):
            return False
        return "," not in value or _exists(value)
    return isinstance(read, int | float | list | dict) or value != value.strip()


def _exists(path: str) -> bool:
    try:
        return expand_user(path).exists()
    except OSError:
        return False
