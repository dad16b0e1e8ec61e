"""Every option, choice and section says in one line what it does."""

import re
from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

import pytest

from crl.experiments.config.schema import GROUPS, SECTIONS, Config

# Each choice of each group, each section, and the options without a dot.
SCHEMAS: dict[str, type] = {
    f"{group}={name}": choice.options
    for group, entries in GROUPS.items()
    for name, choice in entries.items()
}
SCHEMAS |= SECTIONS | {"run": Config}


def _options(where: str) -> "Iterator[Field[Any]]":
    for spec in fields(SCHEMAS[where]):
        if spec.name not in ("name", *GROUPS, *SECTIONS):
            yield spec


def _is_sentence(line: str) -> bool:
    return 0 < len(line) <= 90 and line[0].isupper() and line.endswith(".") and "\n" not in line


@pytest.mark.parametrize("where", SCHEMAS)
def test_every_option_and_choice_has_one_line_of_at_most_90_characters(where: str) -> None:
    about = (SCHEMAS[where].__doc__ or "").partition("\n\n")[0].strip()
    assert _is_sentence(about), about
    for spec in _options(where):
        line = spec.metadata.get("line", "")
        assert _is_sentence(line), f"{spec.name}: {line!r}"


@pytest.mark.parametrize("where", SCHEMAS)
def test_a_line_repeats_neither_the_default_nor_the_bounds(where: str) -> None:
    """Help shows them beside the line; a second place would grow old."""
    for spec in _options(where):
        line = spec.metadata["line"]
        assert "default" not in line.lower(), spec.name
        numbers = {float(number) for number in re.findall(r"(?<![\w-])\d+(?:\.\d+)?", line)}
        limits = {spec.metadata[kind] for kind in ("least", "most", "above", "below")}
        assert numbers.isdisjoint({spec.default, *limits}), spec.name


@pytest.mark.parametrize("where", SCHEMAS)
def test_an_option_that_may_be_null_says_what_null_means(where: str) -> None:
    for spec in _options(where):
        assert bool(spec.metadata["null"]) == ("None" in str(spec.type)), spec.name
