"""Output to a console that lacks some letters."""

import io
import sys
from pathlib import Path

import pytest
from made_up_runs import make_cell, make_run

from crl.cli.main import main
from crl.cli.tables import sweep_table
from crl.experiments.storage.manifest import Manifest, Study


def printed_in(encoding: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Return what a command prints to a console of this encoding; it must end with code 0."""
    console = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", console)
    assert main([*arguments]) == 0
    console.flush()
    return console.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1250", "utf-8"])
def test_what_an_encoding_lacks_is_spelled_out(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "日本"
    make_run(place, "glyphs-a-00000001", 0, 0.9)
    text = printed_in(encoding, monkeypatch, "report", str(place), f"out={place}/report")
    shown = "日本" if encoding == "utf-8" else r"\u65e5\u672c"
    assert f"{shown}/report/index.html" in text


def test_the_table_of_a_sweep_survives_ascii(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell(tmp_path, {"k": 4}, [0.9, 0.92], "glyphs-a-00000001")
    manifest = Manifest("sweep", (), (Study("sweep", "glyphs", (cell,)),))
    assert "91.0 ± 1.4" in sweep_table(manifest)
    console = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", console)
    assert main(["--version"]) == 0
    print(sweep_table(manifest), flush=True)
    assert b"91.0 +- 1.4" in console.buffer.getvalue()  # type: ignore[attr-defined]
