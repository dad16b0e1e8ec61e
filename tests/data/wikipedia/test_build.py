"""A build: resumed after an interrupt, a kill or a broken dump, and never over other files."""

import bz2
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from wiki_dumps import PAGES, SMALL, build, dump, files, long_dump, refused

from crl.data.wikipedia import build as building
from crl.data.wikipedia.articles import Rule


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A dump of many articles, and what is built of it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    source = long_dump(folder / "d.xml.bz2")
    build(source, folder / "out")
    return source, files(folder / "out")


@pytest.mark.parametrize("save_seconds", [0.0, 10.0])
def test_interrupted_at_any_write_the_same_call_goes_on(
    undisturbed, tmp_path, monkeypatch, save_seconds
):
    source, expected = undisturbed
    parsed, whole, writes = [], building.atomic_write, 0
    rule_of = building.draw_sentences

    def counted(page, rule, hidden):
        parsed.append(page.title)
        return rule_of(page, rule, hidden)

    def interrupted(path):
        nonlocal writes
        writes += 1
        if writes % 8 == 0:
            raise KeyboardInterrupt
        return whole(path)

    monkeypatch.setattr(building, "draw_sentences", counted)
    monkeypatch.setattr(building, "atomic_write", interrupted)
    interrupts = 0
    while True:
        try:
            build(source, tmp_path / "out", save_seconds=save_seconds)
            break
        except KeyboardInterrupt:
            interrupts += 1
            if save_seconds:  # all earlier work is lost and done again
                monkeypatch.setattr(building, "atomic_write", whole)
    assert files(tmp_path / "out") == expected
    if save_seconds:
        assert interrupts == 1
    else:  # only the page at the interrupt is parsed twice
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
from crl.data.wikipedia import build as building
rule_of = building.draw_sentences
def slow(*arguments):
    time.sleep(0.004)
    return rule_of(*arguments)
building.draw_sentences = slow
from crl.data.wikipedia.articles import Rule
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
    monkeypatch.setattr(building, "_HEAD", 100)  # bytes that identify a dump
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
    if kind != "half":  # all compressed bytes differ
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
