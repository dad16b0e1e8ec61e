"""The wikitext of an article: its sections, their running text and its sentences."""

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from crl.data.errors import DataError
from crl.data.text.characters import count_words
from crl.data.text.sentences import is_ended, split_sentences

try:
    from mwparserfromhell import definitions, nodes, parse, wikicode
except ImportError as _error:
    raise DataError(
        "wikitext needs the package mwparserfromhell; pip install mwparserfromhell"
    ) from _error

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r"^(={1,2})(?!=)[^\n]*?(?<!=)\1[ \t]*$", re.MULTILINE)
_SWITCH = re.compile(r"__[A-Z]+__")  # __NOTOC__ and its like
_QUOTES = re.compile(r"''+")  # italics, bold
_EMPTY_BRACKETS = re.compile(r" ?\([\s,;:]*\)")  # left by a template, say for a pronunciation
_SPACE_BEFORE = re.compile(r" +(?=[,.;:!?)](?:\s|$))")
# Signs of broken wikitext, or of a sentence whose beginning was not text.
_RESIDUE = re.compile(r"[{}|]|\[\[|\]\]|</?[a-z]|https?:|^[,.;:!?)]")
_FORMULA = "{}"  # stands for a formula; its sentence is dropped, since it would have a hole
_ITEM = "\0"  # stands for the mark of a list item; dumps have no such character
_MARK = re.compile(r"[{}\[\]]|<(/?)([a-z][a-z0-9]*)[^<>]*(/?>)?", re.IGNORECASE)
_MOST_WORK = 10_000_000  # characters times unclosed marks: about 2 seconds of the parser
_BLOCKS = frozenset({"blockquote", "p", "div", "center", "poem", "hr", "section"})
_HIDDEN_TAGS = frozenset({"table", "ref", "gallery", "timeline", "style", "script", "pre", "score"})
_DISAMBIGUATION = re.compile(
    r"\{\{\s*(?:template:)?(?:(?:[^{}|\n]*[ _-])?disambig(?:uation)?(?:[ _](?:page|cleanup))?|"
    r"dab|hndis|geodis|numberdis|begriffsklärung|homonymie|desambiguación|desambiguação|"
    r"disambigua|dp|förgrening|ujednoznacznienie|неоднозначность)"
    r"\s*(?:\||\}\})|__DISAMBIG__",
    re.IGNORECASE,
)
# Template -> the place of the argument that it shows.
_SHOWN = {
    "lang": 1,
    "nowrap": 0,
    "nobr": 0,
    "em": 0,
    "strong": 0,
    "abbr": 0,
    "smallcaps": 0,
    "transl": -1,
}
# Tags and templates.
_FORMULAS = frozenset({"math", "mvar", "chem", "chem2", "ce", "frac", "sfrac", "val", "su"})
_DASHES = frozenset({"snd", "spnd", "spaced ndash", "ndash", "mdash", "spaced en dash"})
# Between the numbers of {{convert}}.
_BETWEEN = frozenset({"to", "-", "–", "and", "or", "by", "x", "×"})


def is_disambiguation(wikitext: str) -> bool:
    """Return whether a page has a disambiguation template, by its names in large Wikipedias."""
    return _DISAMBIGUATION.search(wikitext) is not None


def split_sections(wikitext: str) -> list[str]:
    """The wikitext of the lead and of every top-level section, in order, without comments."""
    # Between the sections stands what the pattern's group matched.
    return _HEADING.split(_COMMENT.sub("", wikitext))[::2]


def prose_sentences(wikitext: str, min_words: int, hidden: frozenset[str]) -> list[str]:
    """Return the sentences of a section's running text that have at least ``min_words`` words.

    Words are separated by white space, except in Chinese and Japanese, where every character
    counts as one. A sentence has a mark at its end. Tables, lists, references,
    pictures and headings are not running text. Only a few common templates show text. Sentences
    with a formula are dropped. Wikitext so broken that the parser would take minutes has no
    sentences. ``hidden``: names of namespaces, in lower case, whose links show nothing.
    """
    if _unclosed(wikitext) * len(wikitext) > _MOST_WORK:
        return []
    return [
        s
        for s in split_sentences(plain_text(wikitext, hidden))
        if count_words(s) >= min_words and is_ended(s) and not _RESIDUE.search(s)
    ]


def plain_text(wikitext: str, hidden: frozenset[str]) -> str:
    """Return the running text that a reader sees, with blank lines between paragraphs."""
    code = parse(wikitext, skip_style_tags=True)
    lines = ("" if line.startswith(_ITEM) else line for line in _shown(code, hidden).split("\n"))
    text = _QUOTES.sub("", _SWITCH.sub("", "\n".join(lines)))
    return _SPACE_BEFORE.sub("", _EMPTY_BRACKETS.sub("", text))


def _unclosed(wikitext: str) -> int:
    """The number of brackets and tags without an end.

    For each of them, the parser reads on to the end of the text and then goes back.
    """
    left = Counter[str]()
    for mark in _MARK.finditer(wikitext):
        text = mark[0]
        if text in ("{", "["):
            left[text] += 1
        elif text in ("}", "]") or mark[1]:
            opening = {"}": "{", "]": "["}.get(text, "<")
            left[opening] = max(left[opening] - 1, 0)
        elif not text.endswith("/>") and not definitions.is_single_only(mark[2]):
            left["<"] += 1
    return left.total()


def _shown(code: wikicode.Wikicode | None, hidden: frozenset[str]) -> str:
    """The text that a reader sees; nodes without an entry, such as comments, show nothing."""
    return "".join(
        _SHOWN_BY[type(node)](node, hidden)
        for node in (() if code is None else code.nodes)
        if type(node) in _SHOWN_BY
    )


def _link(node: nodes.Wikilink, hidden: frozenset[str]) -> str:
    namespace, colon, _ = str(node.title).strip().partition(":")
    # [[:File:X]] shows its name; the part before its first colon is empty.
    if colon and namespace.strip().casefold() in hidden:
        return ""
    return _shown(node.text if node.text is not None else node.title, hidden).lstrip(":")


def _tag(node: nodes.Tag, hidden: frozenset[str]) -> str:
    name = str(node.tag).strip().casefold()
    if name in ("li", "dd", "dt"):
        return _ITEM if node.wiki_markup else "\n" + _ITEM
    if name == "br":
        return " "
    if name in _FORMULAS:
        return _FORMULA
    if name in _HIDDEN_TAGS or not definitions.is_visible(name):
        return "\n\n" if name in ("table", "gallery", "pre") else ""
    shown = _shown(node.contents, hidden)
    return f"\n\n{shown}\n\n" if name in _BLOCKS else shown


def _template(node: nodes.Template, hidden: frozenset[str]) -> str:
    name = " ".join(str(node.name).replace("_", " ").split()).casefold()
    if name in _DASHES or name in _FORMULAS:
        return " – " if name in _DASHES else _FORMULA
    if name not in _SHOWN and name not in ("convert", "cvt"):
        return ""
    arguments = [
        _shown(parameter.value, hidden).strip()
        for parameter in node.params
        if not parameter.showkey
    ]
    if name not in _SHOWN:
        return _measure(arguments)
    return arguments[_SHOWN[name]] if len(arguments) > _SHOWN[name] else "".join(arguments[-1:])


def _measure(arguments: list[str]) -> str:
    """The numbers and the unit of {{convert}}, unconverted: ``5 to 10 km``."""
    numbers = next(
        (i for i, a in enumerate(arguments) if a not in _BETWEEN and not a[:1].isdigit()),
        len(arguments),
    )
    return " ".join(arguments[: numbers + 1])


_SHOWN_BY: dict[type[nodes.Node], Callable[[Any, frozenset[str]], str]] = {
    nodes.Text: lambda node, hidden: str(node.value),
    nodes.HTMLEntity: lambda node, hidden: html.unescape(str(node)),
    nodes.Wikilink: _link,
    nodes.Template: _template,
    nodes.Tag: _tag,
    nodes.ExternalLink: lambda node, hidden: _shown(node.title, hidden),
    nodes.Argument: lambda node, hidden: _shown(node.default, hidden),
    nodes.Heading: lambda node, hidden: "\n\n",
}
