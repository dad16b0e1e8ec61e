"""From a Wikipedia dump to data in Wiki-3029's format: reading, the rule, names, resuming, and the
real commands."""

import bz2
import gzip
import json
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from cli.main import main
from data.errors import DataError
from data.wikipedia import articles as wiki_rule
from data.wikipedia import build as building
from data.wikipedia import dump as wiki_dump
from data.wikipedia.articles import REASONS, Rule, read_titles
from data.wikipedia.build import build_wiki
from data.wikipedia.dump import BrokenDump, PageReader
from data.wikipedia.file_names import ArticleNames, file_name
from data.wikipedia.wikitext import is_disambiguation, plain_text, prose_sentences, split_sections

HIDDEN = wiki_rule.hidden_namespaces({6: "Datei", 14: "Kategorie"})
HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
<siteinfo><namespaces><namespace key="-2">Media</namespace><namespace key="0" /><namespace key="1">Talk</namespace>
<namespace key="6">Datei</namespace></namespaces></siteinfo>
"""
SMALL = Rule(min_sections=3, section_sentences=6, sentences=20, max_page_bytes=2**16)
OPTIONS = ["min_sections=3", "section_sentences=6", "sentences=20", "max_page_bytes=65536"]


def page(
    title: str, text: str, namespace: int = 0, extra: str = "", model: str = "wikitext"
) -> str:
    revision = f"<revision><id>7</id><model>{model}</model><text bytes='1' xml:space='preserve'>{escape(text)}</text></revision>"
    return f"<page><title>{escape(title)}</title><ns>{namespace}</ns><id>1</id>{extra}{revision}</page>\n"


def prose(topic: str, sections: int = 4, sentences: int = 7) -> str:
    """Wikitext of an article; its sentences are about the topic and numbered."""
    parts = [
        "\n".join(
            f"The {topic} number {s} {i} is [[Thing|worth]] a '''note'''.<ref>Not this one.</ref>"
            for i in range(sentences)
        )
        for s in range(sections)
    ]
    return "{{Infobox|name={{nowrap|x}}}}\n" + "\n== A heading ==\n".join(parts)


def dump(path: Path, pages: list[str], tail: str = "</mediawiki>\n") -> Path:
    """A dump packed as the path's suffix says."""
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
    """Everything in a folder but the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def build(source: Path, out: Path, rule: Rule = SMALL, save_seconds: float = 10.0) -> dict:
    return build_wiki(source, out, rule, lambda line: None, save_seconds)


def refused(source: Path, out: Path, rule: Rule = SMALL) -> str:
    with pytest.raises(DataError) as error:
        build(source, out, rule)
    assert "\n" not in str(error.value)
    return str(error.value)


# Wikitext


WIKITEXT = """{{Infobox city|name=X|area={{convert|5|km2|sqmi|{{abbr|x|y}}}}|text=Not a sentence of the article at all.}}
[[File:Map.png|thumb|A map of [[X]] in 1900. It is not running text.|alt=Map]]
[[Datei:Karte.png|mini|Auch das hier ist kein Text.]]
'''X''' ({{IPA|x}}; ) is a ''town''&nbsp;of [[Y (county)|Y]] and [[Z]]s.<ref name="a">A note. It is not shown.</ref>
It lies about {{convert|5|to|10|km|mi}} from {{lang|fr|la mer}}{{snd}}see <!-- not a heading:
== Nothing ==
--> [http://example.org its site] &amp; more!
{| class="wikitable"
! head of the table || and another one
|-
| A cell of the table is no sentence. || {{nested|{{deeper|a}}}}
{| class="nested"
| Nor is a table within a table, of course.
|}
|}
* An item of a list is no running text.
** Nor is [[one]] below it, in the same list.
: An indented line is not either, one may say.

A formula <math>x = 1. Y</math> is no word. Neither is {{chem|H|2|O}} one, they say. {{IPA|x}}, this begins in a template.
The next paragraph has <nowiki>[[no link]]</nowiki> but broken {{markup in this sentence.
<blockquote>He said: "This is a quotation."</blockquote>
Too short. A last one without an end
[[Category:Towns of the world]]
"""


def test_running_text_is_what_is_left_of_wikitext():
    assert prose_sentences(WIKITEXT, 4, HIDDEN) == [
        "X is a town of Y and Zs.",
        "It lies about 5 to 10 km from la mer – see its site & more!",
        'He said: "This is a quotation."',
    ]
    assert "Too short." in prose_sentences(WIKITEXT, 2, HIDDEN)


def test_sections_are_those_of_the_top_level():
    text = "lead\n== One ==\na\n=== Below ===\nb\n==Two== \nc\n<!--\n== Three ==\n-->\n== not a heading\n=== == ===\n= Top =\nd"
    assert [section.split() for section in split_sections(text)] == [
        ["lead"],
        ["a", "===", "Below", "===", "b"],
        ["c", "==", "not", "a", "heading", "===", "==", "==="],
        ["d"],
    ]
    assert plain_text("a\n=== Below ===\nb", HIDDEN).split() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{disambiguation}}", True),
        ("{{Disambig|geo}}", True),
        ("{{ human name disambiguation }}", True),
        ("{{hndis|Smith, John}}", True),
        ("{{Begriffsklärung}}", True),
        ("__DISAMBIG__", True),
        ("{{Other uses|X (disambiguation)}}", False),
        ("[[X]]{{disambiguation needed|date=May}}", False),
        ("{{dabs}}", False),
    ],
)
def test_disambiguation_is_told_by_the_name_of_a_template(text, expected):
    assert is_disambiguation(f"Text.\n{text}\n") is expected


HOSTILE = ["{{", "[[", "{|\n", "<ref>", "{{{", "''", "[[File:a|", "<!--", "{{a|", "==\n", "&", "<b ", "(", "\n* ", "<li>",
           "{{a|[[b}}", "{{a|[[b}}]]", "<i>{{a</i>", "[http://a ", "}}{{", ". (", "<i a='"]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_wikitext_takes_no_minutes(unit):
    text = unit * (50_000 // len(unit))
    start = time.process_time()
    for section in split_sections(text):
        prose_sentences(section, 4, HIDDEN)
    is_disambiguation(text)
    assert time.process_time() - start < 4


# Reading


def read(path: Path, skip: int = 0) -> list[tuple[str, str | None]]:
    return [(page.title, page.text) for page in PageReader(path, 2**16, skip)]


@pytest.mark.parametrize("name", ["d.xml", "d.xml.gz", "d.xml.bz2"])
def test_every_packing_gives_the_same_pages(tmp_path, name):
    path = dump(tmp_path / name, PAGES)
    found = read(path)
    assert [title for title, _ in found[:3]] == ["Tea", "", "Talk:Tea"]
    assert dict(found)["AC/DC"] == prose("band") and dict(found)["Long"] is None
    assert read(path, 5) == found[5:] and read(path.rename(tmp_path / "anything")) == found


def test_a_dump_of_many_streams_is_one_dump(tmp_path):
    whole = (HEAD + "".join(PAGES) + "</mediawiki>").encode()
    path = tmp_path / "multistream.xml.bz2"
    path.write_bytes(
        b"".join(bz2.compress(whole[at : at + 999]) for at in range(0, len(whole), 999))
    )
    assert read(path) == read(dump(tmp_path / "d.xml", PAGES))


def test_bytes_that_are_no_text_are_replaced(tmp_path):
    # cut, control characters, no character, a lone surrogate
    text = "caf\udcc3 \x00 \x1b \ufffe \udced\udca0\udc80 é"
    ((title, found),) = read(dump(tmp_path / "d.xml.bz2", [page("Caf\udce9", text)]))
    assert (title, found) == ("Caf\ufffd", "caf\ufffd ? ? \ufffd \ufffd\ufffd\ufffd é")


def test_of_many_revisions_the_last_counts_and_old_dumps_name_the_namespace_in_the_title(tmp_path):
    old = "<page><title>Talk:Tea</title><revision><text>one</text></revision><revision><text>two</text></revision></page>"
    other = "<page><title>Tea: a history</title><revision><text /></revision></page>"
    found = list(PageReader(dump(tmp_path / "d.xml", [old, other]), 100))
    assert [(p.title, p.namespace, p.text, p.model) for p in found] == [
        ("Talk:Tea", 1, "two", "wikitext"),
        ("Tea: a history", 0, "", "wikitext"),
    ]


@pytest.fixture(scope="module")
def huge(tmp_path_factory) -> Path:
    """A dump with a page of 50 MB among articles; made of many streams, as compressing 50 MB takes
    long."""
    start, end = page("Huge", "|||").split("|||")
    filler = bz2.compress(
        (prose("filler", 50, 100) * 10)[: 2**20].replace("<", " ").replace(">", " ").encode()
    )
    before, after = ("".join([start, ""]), "".join([end, *ARTICLES[1:], "</mediawiki>"]))
    path = tmp_path_factory.mktemp("huge") / "huge.xml.bz2"
    path.write_bytes(
        bz2.compress((HEAD + ARTICLES[0] + before).encode())
        + filler * 50
        + bz2.compress(after.encode())
    )
    return path


def test_a_page_of_50_mb_is_never_whole_in_memory(huge, tmp_path):
    tracemalloc.start(1)
    found = read(huge)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [title for title, text in found if text is None] == ["Huge"] and len(found) == 5
    assert peak < 8 * 2**20


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "XML ends too early"),
        (b"plain text", "syntax error"),
        (b"<html><page /></html>", "outermost element is <html>"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "not well-formed"),
        (b"BZh9 but no bz2 data", "Invalid data stream"),
        (bz2.compress(HEAD.encode())[:40], "compressed data end too early"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff", ""),
        (BOMB.encode() + HEAD.encode(), "document type"),
    ],
)
def test_what_is_no_dump_is_refused_and_nothing_written(tmp_path, content, why):
    (tmp_path / "d").write_bytes(content)
    message = refused(tmp_path / "d", tmp_path / "out")
    assert message.startswith(f"{tmp_path / 'd'} is no Wikipedia dump (") and why in message
    assert message.endswith("give a pages-articles .xml, .xml.bz2 or .xml.gz file")
    assert not (tmp_path / "out").exists()


def test_entities_depth_and_endless_tags_have_no_way_in(tmp_path, monkeypatch):
    path = dump(tmp_path / "d.xml", [page("Tea", prose("tea")), "<page><title>&a;</title></page>"])
    with pytest.raises(BrokenDump, match=r"after page 1 \('Tea'\): undefined entity"):
        read(path)
    with pytest.raises(BrokenDump, match="32 elements inside each other"):
        read(dump(path, ["<x>" * 100_000]))
    monkeypatch.setattr(wiki_dump, "_LONGEST_TAG", 2**19)
    with pytest.raises(BrokenDump, match="a tag without an end"):
        read(dump(path, ["<page " + "x" * 2**20]))


# The rule


def test_what_each_filter_drops_adds_up_to_the_pages(tmp_path):
    titles = tmp_path / "titles"
    titles.write_text(
        "tea\nac/dc\nAIDS\nmercury\nlong\nsame\nshort\nempty\ncode\nlist_of_teas\nORE_(disambiguation)\n"
    )
    rule = Rule(**{**vars(SMALL), "titles": read_titles(titles)})
    report = build(dump(tmp_path / "d.xml.bz2", PAGES), tmp_path / "out", rule)
    twice = {"redirect", "disambiguation", "too few sections"}
    assert report["dropped"] == {reason: 2 if reason in twice else 1 for reason in REASONS}
    assert report["articles"] == 4 and report["sentences"] == 80 and report["pages"] == 18
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert sum(report["dropped"].values()) + report["articles"] == report["pages"]
    assert ONE_OF_EACH.keys() == set(REASONS)


def test_an_article_is_drawn_from_long_sections_by_seed_and_title(tmp_path):
    text = (
        prose("tea", sections=3, sentences=8)
        + "\n== Short ==\nA sentence of a short section is not drawn.\n"
    )
    source = dump(tmp_path / "d.xml", [page("Tea", text), page("Sea", text)])
    drawn = {}
    for seed in (0, 1):
        build(source, tmp_path / str(seed), Rule(**{**vars(SMALL), "seed": seed}))
        for name in ("Tea", "Sea"):
            drawn[seed, name] = (tmp_path / str(seed) / f"{name}.txt").read_text().splitlines()
    possible = {f"The tea number {s} {i} is worth a note." for s in range(3) for i in range(8)}
    for lines in drawn.values():
        assert len(set(lines)) == 20 and set(lines) < possible and lines != sorted(lines)
    assert len({tuple(lines) for lines in drawn.values()}) == 4
    build(dump(tmp_path / "e.xml", [page("Other", text), page("Tea", text)]), tmp_path / "other")
    assert (tmp_path / "other" / "Tea.txt").read_text().splitlines() == drawn[0, "Tea"]


def test_the_numbers_of_the_rule_are_limits(tmp_path):
    source = dump(tmp_path / "d.xml", [page("Tea", prose("tea", 3, 7))])  # 21 sentences of 8 words
    for number, (name, most) in enumerate(
        {"min_sections": 3, "section_sentences": 7, "min_words": 9, "sentences": 21}.items()
    ):
        for value, count in ((most, 1), (most + 1, 0)):
            rule = Rule(**{**vars(SMALL), name: value})
            assert build(source, tmp_path / f"{number}-{value}", rule)["articles"] == count, (
                name,
                value,
            )
    with pytest.raises(DataError, match="sentences: 9 is too small; choose at least 10"):
        Rule(sentences=9)


# Names


@given(
    st.lists(
        st.text(min_size=1, max_size=300) | st.text("aA./\\\n_%é", min_size=1, max_size=5),
        unique=True,
        max_size=20,
    )
)
def test_every_title_has_a_safe_name_of_its_own(titles):
    names = ArticleNames({})
    titles = list(dict.fromkeys(" ".join(title.replace("_", " ").split()) for title in titles))
    for title in titles:
        assert title not in names
        name = names.choose(title)
        names.add(name, title)
        assert title in names
        stem = name.removesuffix(".txt")
        assert (
            name == f"{stem}.txt"
            and stem
            and not stem.startswith(".")
            and len(name.encode()) <= 180
        )
        assert not set(name) & set('/\\:*?"<>|\0\n\r\t ') and name.isprintable()
    assert len({name.casefold() for name in names.named}) == len(titles)
    assert list(names.named.values()) == titles


def test_names_are_those_of_wiki_3029(tmp_path):
    expected = {
        "New York": "New_York.txt",
        "St. Louis": "St._Louis.txt",
        "Zürich": "Zürich.txt",
        "AC/DC": "AC%2FDC.txt",
        ".hack": "%2Ehack.txt",
        "..": "%2E..txt",
        "100%": "100%25.txt",
        "a\nb": "a%0Ab.txt",
        "Con": "%43on.txt",
        "東京": "東京.txt",
    }
    assert {title: file_name(title) for title in expected} == expected
    assert (
        file_name("x" * 300)
        == f"{'x' * 159}-{file_name('x' * 300)[160:176]}.txt"
        != file_name("x" * 301)
    )
    names = ArticleNames({})
    for title in ("Aids", "AIDS", "aids"):
        names.add(names.choose(title), title)
    assert len(names.named) == 3 and next(iter(names.named)) == "Aids.txt"
    for name in [*expected.values(), *names.named]:
        (tmp_path / name).write_text("")
    assert len(list(tmp_path.glob("*.txt"))) == len(expected) + 3


# Resuming


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A dump of many articles, and what is built of it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    pages = [page(f"Topic {i // 2 if i % 10 == 1 else i}", prose(f"topic{i}")) for i in range(40)]
    source = dump(
        folder / "d.xml.bz2",
        [part for i, article in enumerate(pages) for part in (article, PAGES[i % 12])],
    )
    build(source, folder / "out")
    return source, files(folder / "out")


@pytest.mark.parametrize("save_seconds", [0.0, 10.0])
def test_interrupted_at_any_write_the_same_call_goes_on(
    undisturbed, tmp_path, monkeypatch, save_seconds
):
    source, expected = undisturbed
    parsed, whole, writes = [], building.atomic_write, 0
    rule_of = building.article

    def counted(page, rule, hidden):
        parsed.append(page.title)
        return rule_of(page, rule, hidden)

    def interrupted(path):
        nonlocal writes
        writes += 1
        if writes % 8 == 0:
            raise KeyboardInterrupt
        return whole(path)

    monkeypatch.setattr(building, "article", counted)
    monkeypatch.setattr(building, "atomic_write", interrupted)
    interrupts = 0
    while True:
        try:
            build(source, tmp_path / "out", save_seconds=save_seconds)
            break
        except KeyboardInterrupt:
            interrupts += 1
            if save_seconds:  # all done before is lost, and made again
                monkeypatch.setattr(building, "atomic_write", whole)
    assert files(tmp_path / "out") == expected
    if save_seconds:
        assert interrupts == 1
    else:  # nothing is parsed twice but the page at which it was interrupted
        assert interrupts > 3 and len(parsed) - interrupts == _parsed_pages(expected)
    parsed.clear()
    build(source, tmp_path / "out")
    assert parsed == [] and files(tmp_path / "out") == expected


def _parsed_pages(expected: dict[str, bytes]) -> int:
    report = json.loads(expected["report.json"])
    return (
        report["articles"]
        + report["dropped"]["too few sections"]
        + report["dropped"]["too few sentences"]
    )


KILLED = """
import sys, time
from pathlib import Path
from data.wikipedia import build as building
rule_of = building.article
def slow(*arguments):
    time.sleep(0.004)
    return rule_of(*arguments)
building.article = slow
from data.wikipedia.articles import Rule
rule = Rule(min_sections=3, section_sentences=6, sentences=20, max_page_bytes=2**16)
print("begun", flush=True)
building.build_wiki(Path(sys.argv[1]), Path(sys.argv[2]), rule, print, 0.02)
"""


def test_killed_at_any_moment_the_same_command_goes_on(undisturbed, tmp_path):
    source, expected = undisturbed
    killed = 0
    for wait in (0.0, 0.01, 0.05, 0.1, 0.2, 60):
        command = [sys.executable, "-c", KILLED, str(source), str(tmp_path / "out")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"begun\n"
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
    assert killed >= 3 and process.returncode == 0
    assert files(tmp_path / "out") == expected


@pytest.mark.parametrize("kind", ["cut", "damaged", "half"])
def test_a_broken_dump_keeps_what_came_before_and_a_whole_one_goes_on(
    undisturbed, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(building, "_HEAD", 100)  # bytes that must be the same
    source, expected = undisturbed
    whole = source.read_bytes()
    xml = bz2.decompress(whole)
    if kind == "half":  # whole as bz2, but not as XML
        broken, complete = bz2.compress(xml[: len(xml) // 2]), whole
    else:
        streams = [bz2.compress(xml[at : at + 20_000]) for at in range(0, len(xml), 20_000)]
        complete = b"".join(streams)
        at = len(complete) * 2 // 3
        broken = (
            complete[:at]
            if kind == "cut"
            else complete[:at] + bytes([complete[at] ^ 255]) + complete[at + 1 :]
        )
    copy, out = tmp_path / "d.xml.bz2", tmp_path / "out"
    copy.write_bytes(broken)
    message = refused(copy, out)
    assert f"{copy} is cut off or damaged near byte " in message and "after page " in message
    kept = files(out)
    state = json.loads(kept.pop(building.STATE))
    assert 10 < len(kept) < len(expected) - 2 and kept.items() <= expected.items()
    assert state["status"] == "broken" and f" {len(kept):,} articles are kept in {out}" in message
    assert state["pages"] == len(state["articles"]) + sum(state["dropped"].values()) > 20
    assert refused(copy, out) == message
    copy.write_bytes(complete)
    if kind != "half":  # there the compressed bytes are others from the first on
        build(copy, out)
        assert {
            name: files(out)[name] for name in expected if name != building.STATE
        }.items() <= expected.items()
        assert files(out).keys() == expected.keys()
    else:
        assert "another dump" in refused(copy, out)


def test_a_folder_of_something_else_is_refused_and_stays(undisturbed, tmp_path):
    source, _ = undisturbed
    other, out, file = tmp_path / "other", tmp_path / "out", tmp_path / "file"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    file.write_text("")
    assert (
        refused(source, other)
        == f"{other} holds something else ('thesis.txt'); give a folder that is new or empty"
    )
    assert files(other) == {"thesis.txt": b"mine"}
    assert refused(source, file) == f"{file} is a file; give a folder, new or empty"
    build(source, out)
    before = files(out)
    changed = Rule(**{**vars(SMALL), "seed": 1})
    assert (
        refused(source, out, changed)
        == f"{out} was begun with seed=0; give the same option, or another folder"
    )
    listed = Rule(**{**vars(SMALL), "titles": frozenset({"tea"})})
    assert (
        refused(source, out, listed)
        == f"{out} was begun with another list; give the same option, or another folder"
    )
    another = dump(tmp_path / "d.xml", PAGES)
    assert (
        refused(another, out)
        == f"{out} was begun with another dump than {another}; give that one, or another folder"
    )
    with FileLock(out / ".build-wiki.lock"):
        assert "another crl data build-wiki is writing there" in refused(source, out)
    assert files(out) == before
    state = json.loads(before[building.STATE])
    for damaged in (
        b"",
        b"{}",
        b"[1]",
        json.dumps(state | {"pages": 1}).encode(),
        json.dumps(state | {"rule": {}}).encode(),
        json.dumps(state | {"dump": {}}).encode(),
        json.dumps(state | {"dump": state["dump"] | {"head": "1"}}).encode(),
        json.dumps(state | {"dump": state["dump"] | {"head": 2**62}}).encode(),
        b"[" * 100_000,
    ):
        (out / building.STATE).write_bytes(damaged)
        assert refused(source, out).startswith(
            f"{out / building.STATE} is damaged, or of another version"
        )
    (out / building.STATE).write_bytes(before[building.STATE])
    (out / "Topic_2.txt").unlink()
    assert (
        refused(source, out)
        == f"{out} has lost 1 of its articles ('Topic_2.txt'); delete it and start again"
    )


# The command


def crl(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["data", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_the_command_builds_what_the_next_command_trains_on(huge, tmp_path, capsys):
    out = tmp_path / "wiki"
    code = "import sys; from cli.main import main; code = main(sys.argv[1:]); sys.exit(3 if 'torch' in sys.modules else code)"
    command = [sys.executable, "-c", code, "data", "build-wiki", str(huge), str(out), *OPTIONS]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "too large                                  1\n" in done.stdout
    assert "articles of 20 sentences                   4\n" in done.stdout
    assert done.stdout.endswith(f"crl train dataset=wiki3029 dataset.root={out}\n")
    assert crl(capsys, "build-wiki", huge, out, *OPTIONS) == (
        0,
        done.stdout,
        f"{out} is complete already\n",
    )

    tiny = ["encoder=bag_of_words", "encoder.dimension=8", "encoder.embedding_dim=8", "objective.block_size=2",
            "objective.negatives=2", "training.batch_size=8", "training.steps=3", "evaluation.linear_steps=5",
            "evaluation.ks=[2]", "evaluation.tops=[1]", "runtime.progress=false"]  # fmt: skip
    run = tmp_path / "run"
    assert (
        main(["train", "dataset=wiki3029", f"dataset.root={out}", f"run_dir={run}", *tiny]) == 0
    ), capsys.readouterr().err
    data = json.loads((run / "result.json").read_text())["dataset"]
    assert (data["classes"], data["train_points"], data["test_points"]) == (4, 56, 16)


def test_a_broken_dump_ends_the_command_with_one_line(undisturbed, tmp_path, capsys):
    source, _ = undisturbed
    xml = bz2.decompress(source.read_bytes())
    (tmp_path / "d.xml").write_bytes(xml[:-100_000])
    code, printed, told = crl(capsys, "build-wiki", tmp_path / "d.xml", tmp_path / "out", *OPTIONS)
    assert (
        (code, printed) == (2, "")
        and told.count("\n") == 1
        and "is cut off or damaged near byte" in told
    )
    (tmp_path / "d.xml").write_bytes(xml)
    code, printed, told = crl(capsys, "build-wiki", tmp_path / "d.xml", tmp_path / "out", *OPTIONS)
    assert code == 0 and told.startswith("going on after page ") and told.count("\n") == 1


MISUSE = {
    "no sub-verb": ([], "choose build-wiki"),
    "another sub-verb": (["build-imdb", "a", "b"], "crl data build-imdb: no such thing"),
    "no folder": (["build-wiki", "{}/d.xml"], "DUMP OUT"),
    "misspelt option": (
        ["build-wiki", "{}/d.xml", "{}/o", "min_section=3"],
        "did you mean min_sections=?",
    ),
    "not an option": (["build-wiki", "{}/d.xml", "{}/o", "--fast"], "see crl data --help"),
    "not a number": (
        ["build-wiki", "{}/d.xml", "{}/o", "seed=-1"],
        "seed: '-1' is not a whole number",
    ),
    "too few sentences": (["build-wiki", "{}/d.xml", "{}/o", "sentences=3"], "choose at least 10"),
    "no list": (
        ["build-wiki", "{}/d.xml", "{}/o", "titles={}/none"],
        "titles: {}/none cannot be read",
    ),
    "an empty list": (
        ["build-wiki", "{}/d.xml", "{}/o", "titles={}/empty"],
        "titles: {}/empty holds no title",
    ),
    "no dump": (
        ["build-wiki", "{}/none", "{}/o"],
        "{}/none cannot be read (No such file or directory)",
    ),
    "a folder as dump": (["build-wiki", "{}", "{}/o"], "{} cannot be read (Is a directory)"),
}


@pytest.mark.parametrize(("arguments", "hint"), MISUSE.values(), ids=MISUSE.keys())
def test_misuse_ends_in_one_line_and_writes_nothing(tmp_path, capsys, arguments, hint):
    dump(tmp_path / "d.xml", PAGES)
    (tmp_path / "empty").write_text(" \n")
    code, printed, told = crl(
        capsys, *(argument.replace("{}", str(tmp_path)) for argument in arguments)
    )
    assert (
        (code, printed) == (2, "")
        and told.count("\n") == 1
        and hint.replace("{}", str(tmp_path)) in told
    )
    assert not (tmp_path / "o").exists()


def test_without_the_parser_one_line_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mwparserfromhell", None)
    for name in ("data.wikipedia.wikitext", "data.wikipedia.articles", "data.wikipedia.build"):
        monkeypatch.delitem(sys.modules, name)
    code, printed, told = crl(capsys, "build-wiki", dump(tmp_path / "d.xml", PAGES), tmp_path / "o")
    assert (code, printed) == (2, "") and told.startswith(
        "crl: wikitext needs the package mwparserfromhell; pip install"
    )


def test_help_names_every_option_with_its_default(capsys):
    code, printed, _ = crl(capsys, "--help")
    assert code == 0
    for name, default in vars(Rule()).items():
        assert f"\n  {name}={'FILE' if default is None else default}" in printed
