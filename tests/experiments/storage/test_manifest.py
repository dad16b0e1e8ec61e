"""Manifests are written, moved with their runs and read again; other files are refused."""

import shutil
from pathlib import Path

import pytest

from crl.experiments.errors import ConfigError
from crl.experiments.storage.manifest import (
    Cell,
    Manifest,
    Study,
    find_manifests,
    read_manifest,
    write_manifest,
)


def manifest(root: Path) -> Manifest:
    cells = (
        Cell(
            {"method": "CURL", "block_size": 2},
            (root / "runs" / "a" / "seed0", root / "runs" / "a" / "seed1"),
        ),
        Cell({"method": "QT", "block_size": 2}, ()),
    )
    return Manifest("a title", ("crl", "reproduce"), (Study("table2", "glyphs", cells),))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    write_manifest(root / "deep" / "m.study.json", manifest(root))
    assert read_manifest(root / "deep" / "m.study.json") == manifest(root)


def test_a_manifest_moves_with_its_runs(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    write_manifest(root / "old" / "m.study.json", manifest(root / "old"))
    shutil.move(root / "old", root / "new")
    assert read_manifest(root / "new" / "m.study.json") == manifest(root / "new")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"schema": 1}', '{"schema": 1, "title": "", "command": [], "studies": [{}]}'],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.study.json").write_text(text)
    with pytest.raises(ConfigError, match="not a readable manifest"):
        read_manifest(tmp_path / "m.study.json")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.study.json").write_text('{"schema": 99}')
    with pytest.raises(ConfigError, match="schema 99"):
        read_manifest(tmp_path / "m.study.json")


def test_manifests_are_found_once(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_manifest(tmp_path / name / "m.study.json", manifest(tmp_path))
    paths = find_manifests([tmp_path, tmp_path / "a"])
    assert [path.parent.name for path in paths] == ["a", "b"]


def test_a_study_keeps_the_command_that_planned_it(tmp_path: Path) -> None:
    study = Study("table1", "glyphs", (), ("crl", "reproduce", "only=table1"))
    written = Manifest("t", ("crl", "reproduce", "only=table2"), (study,))
    write_manifest(tmp_path / "m.study.json", written)
    assert read_manifest(tmp_path / "m.study.json") == written


def test_manifests_in_hidden_folders_are_not_found(tmp_path: Path) -> None:
    for name in (".half.1.tmp", "whole"):
        write_manifest(tmp_path / name / "m.study.json", Manifest("t", (), ()))
    assert [path.parent.name for path in find_manifests([tmp_path])] == ["whole"]
