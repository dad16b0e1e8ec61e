"""Wikipedia dumps that are made up, and what is built from them."""

import bz2
import gzip
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from crl.data.errors import DataError
from crl.data.wikipedia.articles import Rule
from crl.data.wikipedia.build import build_wiki

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
<siteinfo><namespaces><namespace key="-2">Media</namespace><namespace key="0" />\
<namespace key="1">Talk</namespace>
<namespace key="6">Datei</namespace></namespaces></siteinfo>
"""
SMALL = Rule(min_sections=3, section_sentences=6, sentences=20, max_page_bytes=2**16)
OPTIONS = ["min_sections=3", "section_sentences=6", "sentences=20", "max_page_bytes=65536"]


def page(
    title: str, text: str, namespace: int = 0, extra: str = "", model: str = "wikitext"
) -> str:
    return (
        f"<page><title>{escape(title)}</title><ns>{namespace}</ns><id>1</id>{extra}"
        f"<revision><id>7</id><model>{model}</model>"
        f"<text bytes='1' xml:space='preserve'>{escape(text)}</text></revision></page>\n"
    )


def prose(topic: str, sections: int = 4, sentences: int = 7) -> str:
    """The wikitext of an article, with numbered sentences about the topic."""
    parts = [
        "\n".join(
            f"The {topic} number {s} {i} is [[Thing|worth]] a '''note'''.<ref>Not this one.</ref>"
            for i in range(sentences)
        )
        for s in range(sections)
    ]
    return "{{Infobox|name={{nowrap|x}}}}\n" + "\n== A heading ==\n".join(parts)


def dump(path: Path, pages: list[str], tail: str = "</mediawiki>\n") -> Path:
    """Write a dump, compressed according to the suffix of its path."""
    pack = {".bz2": bz2.compress, ".gz": gzip.compress, ".xml": bytes}[path.suffix]
    path.write_bytes(pack((HEAD + "".join(pages) + tail).encode("utf-8", "surrogateescape")))
    return path


ONE_OF_EACH = {
    "no title": page(" ", prose("ghost")),
    "other namespace": page("Talk:Tea", prose("talk"), 1),
    "redirect": page("Teas", "#REDIRECT [[Tea]]", extra='<redirect title="Tea" />')
    + page("TEAS", "#redirect [[Tea]]"),
    "too large": page("Long", "word " * 20_000),
    "title not in the list": page("Unlisted", prose("unlisted")),
    "repeated title": page("Tea", prose("again")),
    "not wikitext": page("Code", prose("code"), model="javascript"),
    "disambiguation": page("Mercury", prose("mercury") + "{{Disambig}}")
    + page("Ore (disambiguation)", prose("ore")),
    "list": page("List of teas", prose("list")),
    "too few sections": page("Short", prose("short", sections=2)) + page("Empty", ""),
    "too few sentences": page("Same", prose("same", sections=3, sentences=6)),
}
ARTICLES = [
    page("Tea", prose("tea")),
    page("AC/DC", prose("band")),
    page("Aids", prose("aids")),
    page("AIDS", prose("disease")),
]
PAGES = [ARTICLES[0], *ONE_OF_EACH.values(), *ARTICLES[1:]]


def files(folder: Path) -> dict[str, bytes]:
    """Name -> content of everything in a folder but the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def build(source: Path, out: Path, rule: Rule = SMALL, save_seconds: float = 10.0) -> dict:
    return build_wiki(source, out, rule, lambda line: None, save_seconds)


def refused(source: Path, out: Path, rule: Rule = SMALL) -> str:
    with pytest.raises(DataError) as error:
        build(source, out, rule)
    assert "\n" not in str(error.value)
    return str(error.value)


def huge_dump(path: Path) -> Path:
    """Write a .bz2 dump with a page of 50 MB, in many streams: one would take long."""
    start, end = page("Huge", "|||").split("|||")
    filler = (prose("filler", 50, 100) * 10)[: 2**20].replace("<", " ").replace(">", " ")
    path.write_bytes(
        bz2.compress((HEAD + ARTICLES[0] + start).encode())
        + bz2.compress(filler.encode()) * 50
        + bz2.compress((end + "".join(ARTICLES[1:]) + "</mediawiki>").encode())
    )
    return path


def long_dump(path: Path) -> Path:
    """Write a dump of many articles, with pages to drop among them."""
    pages = [page(f"Topic {i // 2 if i % 10 == 1 else i}", prose(f"topic{i}")) for i in range(40)]
    return dump(
        path, [part for i, article in enumerate(pages) for part in (article, PAGES[i % 12])]
    )
