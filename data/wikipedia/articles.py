"""The rule that chooses articles like those of Wiki-3029, and draws their sentences."""

import random
import re
import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from crl.data.errors import DataError
from crl.data.text.decoding import read_text
from crl.data.text.sentences import count_ends
from crl.data.wikipedia.dump import Page
from crl.data.wikipedia.wikitext import is_disambiguation, prose_sentences, split_sections

# Why a page is dropped, in the order of the checks.
REASONS = (
    "no title",
    "other namespace",
    "redirect",
    "too large",
    "title not in the list",
    "repeated title",
    "not wikitext",
    "disambiguation",
    "list",
    "too few sections",
    "too few sentences",
)
_REDIRECT = re.compile(r"\s*#\s*redirect\b", re.IGNORECASE)  # dumps may lack the element for it
_LIST = re.compile(
    r"(?:lists?|index|outline) of |listen? (?:der|von|des) |liste (?:de|des|du|d'|der) ?",
    re.IGNORECASE,
)
_DISAMBIGUATION = re.compile(
    r"\((?:disambiguation|Begriffsklärung|homonymie|desambiguación|disambigua)\)$", re.IGNORECASE
)
# 10 sentences, because dataset=wiki3029 splits an article into train, dev and test.
_LEAST = {"min_sections": 1, "sentences": 10, "max_page_bytes": 1024}
# Namespaces whose links show no text, under the names that every wiki knows.
_HIDDEN = frozenset({"file", "image", "category", "media"})


@dataclass(frozen=True)
class Rule:
    """The paper's rule for Wiki-3029 (section 7; the details are ours).

    An article's title must be in a list: ``titles``, as :func:`normal_title` returns them (the
    paper takes WordNet's nouns), or None for any title. An article has at least ``min_sections``
    sections of at least ``section_sentences`` distinct sentences of at least ``min_words`` words.
    From these sentences, ``sentences`` are drawn by ``seed``. Pages of more than ``max_page_bytes``
    of wikitext are dropped; Wikipedia itself allows 2 MiB. Raises DataError for a number that is
    too small.
    """

    min_sections: int = 8
    section_sentences: int = 12
    min_words: int = 4
    sentences: int = 200
    seed: int = 0
    max_page_bytes: int = 2 * 2**20
    titles: frozenset[str] | None = None

    def __post_init__(self) -> None:
        for name in (spec.name for spec in fields(self) if spec.name != "titles"):
            if (value := getattr(self, name)) < _LEAST.get(name, 0):
                raise DataError(
                    f"{name}: {value} is too small; choose at least {_LEAST.get(name, 0)}"
                )


def normal_title(title: str) -> str:
    """A title in the form in which titles are compared: lower case, single spaces, NFC."""
    return unicodedata.normalize("NFC", " ".join(title.replace("_", " ").split()).casefold())


def read_titles(path: Path) -> frozenset[str]:
    """Read titles from a file, one a line. Raises DataError if it is unreadable or empty."""
    try:
        text = read_text(path)
    except DataError as error:
        raise DataError(f"titles: {error}; give a file of titles, one a line") from error
    titles = frozenset(title for line in text.splitlines() if (title := normal_title(line)))
    if not titles:
        raise DataError(f"titles: {path} holds no title; one a line is expected")
    return titles


def hidden_namespaces(namespaces: Mapping[int, str]) -> frozenset[str]:
    """The names, in lower case, of the namespaces of media, files and categories."""
    return _HIDDEN | {
        namespaces[number].casefold() for number in (-2, 6, 14) if namespaces.get(number)
    }


def reason_to_drop(page: Page, rule: Rule, known: Container[str]) -> str | None:
    """The first of :data:`REASONS` to drop a page, apart from its sections; or None.

    ``known``: the titles of earlier articles.
    """
    text = page.text
    checks = (
        ("no title", lambda: not page.title),
        ("other namespace", lambda: page.namespace != 0),
        ("redirect", lambda: page.redirect or (text is not None and _REDIRECT.match(text))),
        ("too large", lambda: text is None),
        (
            "title not in the list",
            lambda: rule.titles is not None and normal_title(page.title) not in rule.titles,
        ),
        ("repeated title", lambda: page.title in known),
        ("not wikitext", lambda: page.model != "wikitext"),
        (
            "disambiguation",
            lambda: _DISAMBIGUATION.search(page.title) or is_disambiguation(text or ""),
        ),
        ("list", lambda: _LIST.match(page.title)),
    )
    return next((reason for reason, holds in checks if holds()), None)


def draw_sentences(page: Page, rule: Rule, hidden: frozenset[str]) -> list[str] | str:
    """Draw the sentences of a page that passed :func:`reason_to_drop`, or return a reason.

    A section with fewer sentences than the rule asks for does not count, nor do its sentences. The
    draw depends on the seed and the title alone. ``hidden``: see :func:`hidden_namespaces`.
    """
    least = max(rule.section_sentences, 1)
    # Every sentence has a mark at its end. Sections with too few of these need no parser, which
    # takes most of the time.
    long = [section for section in split_sections(page.text or "") if count_ends(section) >= least]
    if len(long) < rule.min_sections:
        return "too few sections"
    parsed = (prose_sentences(section, rule.min_words, hidden) for section in long)
    sections = [sentences for sentences in parsed if len(set(sentences)) >= least]
    if len(sections) < rule.min_sections:
        return "too few sections"
    distinct = list(dict.fromkeys(sentence for section in sections for sentence in section))
    if len(distinct) < rule.sentences:
        return "too few sentences"
    return random.Random(f"{rule.seed} {page.title}").sample(distinct, rule.sentences)
