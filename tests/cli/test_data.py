"""``crl data build-wiki``: what it prints, its exit codes, and training on what it builds."""

import bz2
import gzip
import json
import random
import subprocess
import sys

import pytest
from wiki_dumps import OPTIONS, PAGES, dump, huge_dump, long_dump

from crl.cli.main import main
from crl.data.wikipedia.articles import Rule


def crl(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["data", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_the_command_builds_what_the_next_command_trains_on(tmp_path, capsys):
    huge = huge_dump(tmp_path / "huge.xml.bz2")
    out = tmp_path / "wiki"
    code = (
        "import sys; from crl.cli.main import main; code = main(sys.argv[1:]); "
        "sys.exit(3 if 'torch' in sys.modules else code)"
    )
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

    tiny = ["encoder=bag_of_words", "encoder.dimension=8", "encoder.embedding_dim=8",
            "objective.block_size=2", "objective.negatives=2", "training.batch_size=8",
            "training.steps=3", "evaluation.linear_steps=5", "evaluation.ks=[2]",
            "evaluation.tops=[1]", "runtime.progress=false"]  # fmt: skip
    run = tmp_path / "run"
    assert (
        main(["train", "dataset=wiki3029", f"dataset.root={out}", f"run_dir={run}", *tiny]) == 0
    ), capsys.readouterr().err
    data = json.loads((run / "result.json").read_text())["dataset"]
    assert (data["classes"], data["train_points"], data["test_points"]) == (4, 56, 16)


def test_a_broken_dump_ends_the_command_with_one_line(tmp_path, capsys):
    xml = bz2.decompress(long_dump(tmp_path / "whole.xml.bz2").read_bytes())
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
    "an option in the place of the folder": (
        ["build-wiki", "{}/d.xml", "min_sections=3"],
        "needs a dump and a folder; {}/d.xml is alone: crl data build-wiki DUMP OUT",
    ),
    "a flag in the place of the folder": (["build-wiki", "{}/d.xml", "--fast"], "no such option"),
    "an empty folder name": (["build-wiki", "{}/d.xml", ""], "needs a dump and a folder"),
    "three paths": (["build-wiki", "{}/d.xml", "{}/o", "{}/p"], "needs a dump and a folder"),
    "the folder first": (["build-wiki", "{}/o", "{}/d.xml"], "give the dump first"),
    "an empty dump": (["build-wiki", "{}/empty.xml", "{}/o"], "empty.xml is empty"),
    "a packed dump cut at 9 kB": (
        ["build-wiki", "{}/cut.xml.bz2", "{}/o"],
        "cut.xml.bz2 is cut off after 9,000 bytes, before the first page; download it again",
    ),
    "another kind of dump": (["build-wiki", "{}/t.sql.gz", "{}/o"], "is a dump of SQL tables"),
    "a web page": (["build-wiki", "{}/page.html", "{}/o"], "is a web page"),
    "noise that looks packed": (["build-wiki", "{}/noise.bz2", "{}/o"], "no Wikipedia dump"),
    "no value": (["build-wiki", "{}/d.xml", "{}/o", "min_words="], "'' is not a whole number"),
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
    (tmp_path / "empty.xml").touch()
    noise = random.Random(0).randbytes(100_000)
    (tmp_path / "cut.xml.bz2").write_bytes(bz2.compress(b"<mediawiki>" + noise)[:9000])
    (tmp_path / "t.sql.gz").write_bytes(gzip.compress(b"-- MySQL dump 10.19\n"))
    (tmp_path / "page.html").write_text("<!DOCTYPE html><html></html>")
    (tmp_path / "noise.bz2").write_bytes(b"BZh9" + noise)
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
    for name in (
        "crl.data.wikipedia.wikitext",
        "crl.data.wikipedia.articles",
        "crl.data.wikipedia.build",
    ):
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


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path, capsys):
    source = dump(tmp_path / "d.xml", PAGES)
    code, printed, told = crl(capsys, "build-wiki", source, source / "x", *OPTIONS)
    assert (code, printed, told.count("\n")) == (2, "", 1)
    assert f"{source / 'x'}: this folder cannot be made (Not a directory); give" in told
