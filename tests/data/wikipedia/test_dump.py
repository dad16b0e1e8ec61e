"""Dumps as streams of pages: packing, damage, memory, and what is refused."""

import bz2
from pathlib import Path

import pytest
from traced import with_peak
from wiki_dumps import HEAD, PAGES, dump, huge_dump, page, prose, refused

from crl.data.wikipedia import dump as wiki_dump
from crl.data.wikipedia.dump import BrokenDump, PageReader


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
    old = (
        "<page><title>Talk:Tea</title><revision><text>one</text></revision>"
        "<revision><text>two</text></revision></page>"
    )
    other = "<page><title>Tea: a history</title><revision><text /></revision></page>"
    found = list(PageReader(dump(tmp_path / "d.xml", [old, other]), 100))
    assert [(p.title, p.namespace, p.text, p.model) for p in found] == [
        ("Talk:Tea", 1, "two", "wikitext"),
        ("Tea: a history", 0, "", "wikitext"),
    ]


def test_a_page_of_50_mb_is_never_whole_in_memory(tmp_path):
    huge = huge_dump(tmp_path / "huge.xml.bz2")
    found, peak = with_peak(lambda: read(huge))
    assert [title for title, text in found if text is None] == ["Huge"] and len(found) == 5
    assert peak < 8 * 2**20


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"plain text", "syntax error: line 1, column 0; it begins with 'plain text'"),
        (b"<page />", "outermost element is <page>"),
        (b"<html><page /></html>", "is a web page, no Wikipedia dump"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "is a 7z archive (unpack it), no Wikipedia dump"),
        (b"BZh9 but no bz2 data", "Invalid data stream"),
        (bz2.compress(HEAD.encode())[:40], "is cut off after 40 bytes, before the first page"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff", "is no Wikipedia dump ("),
        (BOMB.encode() + HEAD.encode(), "document type"),
    ],
)
def test_what_is_no_dump_is_refused_and_nothing_written(tmp_path, content, why):
    (tmp_path / "d").write_bytes(content)
    message = refused(tmp_path / "d", tmp_path / "out")
    assert message.startswith(f"{tmp_path / 'd'} is ") and why in message
    assert message.endswith(
        ("give a pages-articles .xml, .xml.bz2 or .xml.gz file", "download it again")
    )
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
