"""Help on a configuration: its groups, their choices, and every option with its value.

Imports no torch.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from typing import Any, NamedTuple

from omegaconf import MISSING, DictConfig

from crl.experiments.config.checks import composed_options
from crl.experiments.config.compose import compose_for_help
from crl.experiments.config.messages import choices
from crl.experiments.config.option import Choice, bounds_in_words
from crl.experiments.config.own_files import CONFIG_DIR, NO_FILES, OwnFiles
from crl.experiments.config.quoting import quoted
from crl.experiments.config.schema import GROUPS, SECTIONS, Config, options_by_name
from crl.experiments.errors import ConfigError

_MEANINGS = {
    "dataset": "Where the points come from.",
    "encoder": "What maps a point to its features. It must read what the data set holds.",
    "objective": "What training minimises.",
    "optimizer": "How training minimises it.",
    "experiment": "A named setting: what it changes is laid over the defaults.",
}
_RUN = "run"  # the options without a dot
_LIMITS, _NO_BREAK = re.compile(r"\[[^]]*]$"), "\N{NO-BREAK SPACE}"
_COLUMN = 36  # where the second of two columns begins


class _Row(NamedTuple):
    """An option: ``NAME=VALUE`` and what there is to say of it."""

    name: str
    value: str
    text: str


class _Block(NamedTuple):
    """A choice of a group, or a section, with its options."""

    title: str
    text: str
    rows: list[_Row]


def group_lines(config: DictConfig, width: int, own: OwnFiles = NO_FILES) -> Iterator[str]:
    """Give a line for each group and each of its choices; ``*`` marks the chosen ones."""
    for group, entries in GROUPS.items():
        yield from _columns(f"{group}=CHOICE", _MEANINGS[group], width)
        known = entries.known()
        for name in entries:
            mark = "*" if name == config[group].name else " "
            of = _about(known[name]) if name in known else f"Package {entries.package(name)}."
            yield from _columns(f"  {mark} {name}", of, width)
        yield ""
    yield from _columns("experiment=NAME", _MEANINGS["experiment"], width)
    names = ", ".join(choices("experiment", own))
    yield from textwrap.wrap(names, width, initial_indent="    ", subsequent_indent="    ")


def option_lines(config: DictConfig, width: int) -> Iterator[str]:
    """Give a line for each option of the configuration, below its choice or section."""
    return _shown(_blocks(config), width)


def topic_lines(
    topic: str, config: DictConfig, width: int, own: OwnFiles = NO_FILES
) -> Iterator[str]:
    """Give the lines on a group, a section or an option. Raises ConfigError for any other topic."""
    if topic == "experiment":
        return _shown([_experiments(own)], width)
    if topic in GROUPS:
        return _shown(list(_group(topic, config)), width)
    blocks, group = _blocks(config), topic.partition(".")[0]
    if topic in (*SECTIONS, _RUN):
        return _shown([block for block in blocks if block.title == topic], width)
    found = _only(topic, blocks) or _only(topic, _choices(group, _owners(topic), config))
    if not found:
        raise ConfigError(_unknown(topic, own))
    return _shown(found, width)


def _owners(option: str) -> list[str]:
    """The choices that have an option, those of installed packages too."""
    group, _, name = option.partition(".")
    if group not in GROUPS or name == "name":
        return []
    options = ((choice, GROUPS[group].options_of(choice)) for choice in GROUPS[group])
    return [choice for choice, of in options if of and name in {spec.name for spec in fields(of)}]


def _unknown(topic: str, own: OwnFiles) -> str:
    for group in (*GROUPS, "experiment"):
        if topic in choices(group, own):
            return f"--help {topic}: this is a choice; see crl train {group}={topic} --help"
    topics = [*_MEANINGS, *SECTIONS, _RUN]
    options = [name for name in options_by_name() if not name.endswith(".name")]
    near = get_close_matches(topic, [*topics, *options], 1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(topics)}"
    return f"--help {topic}: no such group or option; {hint}"


def _blocks(config: DictConfig) -> list[_Block]:
    """The choices and sections of the configuration, each with its options."""
    chosen = [_block(group, config[group].name, config) for group in GROUPS]
    sections = [
        _Block(name, _first_paragraph(schema), _rows(config, f"{name}."))
        for name, schema in SECTIONS.items()
    ]
    own = [row for row in _rows(config) if "." not in row.name]
    return [*chosen, *sections, _Block(_RUN, _first_paragraph(Config), own)]


def _block(group: str, name: str, config: DictConfig) -> _Block:
    rows = _rows(config, f"{group}.")
    return _Block(f"{group}={name}", _about(GROUPS[group][name]), rows)


def _group(group: str, config: DictConfig) -> Iterator[_Block]:
    """The options that all choices of a group share, then each choice with its further ones.

    Those that an earlier choice has in the same way are only named.
    """
    names = [name for name in GROUPS[group] if GROUPS[group].options_of(name)]
    blocks = _choices(group, names, config)
    shared = [row for row in blocks[0].rows if all(row in block.rows for block in blocks)]
    text = f"{_MEANINGS[group]} * marks what is chosen here. Options of every choice:"
    yield _Block(f"{group}=CHOICE", text, shared)
    seen: list[_Row] = []
    for name, block in zip(names, blocks, strict=True):
        mark = " *" if name == config[group].name else ""
        rows = [row for row in block.rows if row not in shared]
        again = ", ".join(row.name for row in rows if row in seen)
        new = [row for row in rows if row not in seen]
        seen += new
        above = [_Row("as above", "", again)] if again else []
        yield _Block(block.title + mark, block.text, [*above, *new])


def _choices(group: str, names: Iterable[str], config: DictConfig) -> list[_Block]:
    """These choices of a group, with the options that each would have here."""
    others = [f"{other}={config[other].name}" for other in GROUPS if other != group]
    kept = [] if group == "dataset" else others  # a data set brings the others along
    return [
        _block(
            group,
            name,
            config if name == config[group].name else compose_for_help([*kept, f"{group}={name}"]),
        )
        for name in names
    ]


def _only(option: str, blocks: Sequence[_Block]) -> list[_Block]:
    """The blocks that have the option, with it alone."""
    found = [block._replace(rows=[r for r in block.rows if r.name == option]) for block in blocks]
    return [block for block in found if block.rows]


def _experiments(own: OwnFiles) -> _Block:
    rows = [_Row(name, "", _first_comment(name, own)) for name in choices("experiment", own)]
    return _Block("experiment=NAME", _MEANINGS["experiment"], rows)


def _first_comment(experiment: str, own: OwnFiles) -> str:
    """The first sentence of the comment in an experiment's file; "" if it has none."""
    name = f"experiment/{experiment}"
    file = own.file(name) or CONFIG_DIR / f"{name}.yaml"
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    comment = [line[1:].strip() for line in lines if line.startswith("# ") and "@" not in line]
    return " ".join(comment).split(". ")[0].rstrip(".") + "." if comment else ""


def _rows(config: DictConfig, prefix: str = "") -> list[_Row]:
    """The options whose names begin with the prefix."""
    return [
        _Row(name, _value(value), _text(value, spec))
        for name, value, spec in composed_options(config)
        if name.startswith(prefix)
    ]


def _value(value: Any) -> str:
    """A value as one types it on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, str) and value != MISSING:
        return quoted(value)
    return str(value)


def _text(value: Any, spec: "Field[Any]") -> str:
    """What an option does, its choices or its unit and bounds, and what null means."""
    about = spec.metadata
    allowed, unit, bounds = about.get("choices"), about.get("unit"), bounds_in_words(about)
    each = "each " if bounds and isinstance(value, list) else ""
    limits = [
        "|".join(allowed or ()),
        ", ".join(filter(None, (unit, f"{each}{bounds}"))),
        f"null: {about['null']}" if about.get("null") else "",
        f"needs {about['package']}" if about.get("package") else "",
        "must be given" if value == MISSING else "",
    ]
    shown = "; ".join(filter(None, limits))
    return f"{about.get('line', '')} [{shown}]" if shown else about.get("line", "")


def _about(choice: Choice) -> str:
    """What a choice is, and what points it holds or reads."""
    text = _first_paragraph(choice.options)
    return f"{text} [{choice.points}]" if choice.points else text


def _first_paragraph(schema: type) -> str:
    """The first paragraph of a docstring; empty for the one that @dataclass makes."""
    text = (schema.__doc__ or "").partition("\n\n")[0]
    return "" if text.startswith(f"{schema.__name__}(") else " ".join(text.split())


def _shown(blocks: Sequence[_Block], width: int) -> Iterator[str]:
    for number, block in enumerate(blocks):
        if number:
            yield ""
        yield from _columns(block.title, block.text, width)
        for row in block.rows:
            option = f"{row.name}={row.value}" if row.value else row.name
            yield from _columns(f"  {option}", row.text, width)


def _columns(left: str, text: str, width: int) -> Iterator[str]:
    """Give lines of two columns; a left part that is too long for its own has a line of its own."""
    if (limits := _LIMITS.search(text)) and len(limits[0]) <= width - _COLUMN:  # keep it together
        text = text[: limits.start()] + limits[0].replace(" ", _NO_BREAK)
    wrapped = textwrap.wrap(text, width - _COLUMN, break_long_words=False, break_on_hyphens=False)
    lines = [line.replace(_NO_BREAK, " ") for line in wrapped]
    if len(left) > _COLUMN - 2 or not lines:
        yield left
    else:
        yield f"{left:<{_COLUMN}}{lines.pop(0)}"
    yield from (" " * _COLUMN + line for line in lines)
