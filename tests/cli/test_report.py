"""``crl report`` on the command line."""

import csv
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from crl.cli.main import main
from crl.experiments.config.compose import compose_config
from crl.experiments.config.identity import run_name


def test_a_real_run_is_reported(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(finished_run), f"out={tmp_path / 'report'}"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path / 'report' / 'index.html'}\n")
    assert "1 run of 1 configuration" in printed
    (line,) = [line for line in printed.splitlines() if line.endswith("The bounds hold")]
    assert line.split()[:3] == ["confirmed", "glyphs", "11"]
    assert (tmp_path / "report" / "report.md").exists()


def test_the_command_of_a_real_run_composes_to_its_name(finished_run: Path, tmp_path: Path) -> None:
    assert main(["report", str(finished_run), f"out={tmp_path}"]) == 0
    (row,) = csv.DictReader((tmp_path / "tables" / "commands.csv").open(encoding="utf-8"))
    crl, train, *overrides = shlex.split(row["command"])
    assert (crl, train) == ("crl", "train")
    assert run_name(compose_config(overrides)) == row["runs"]


def test_torch_is_never_imported(finished_run: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from crl.cli.main import main
assert main(["report", {str(finished_run)!r}, "out={tmp_path}/report"]) == 0
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_bad_input_ends_in_one_line(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("a file")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "result.json").write_text("{")
    (tmp_path / "damaged" / "config.yaml").write_text("{}")
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest" / "a.study.json").write_text("[]")
    cases = {
        str(tmp_path / "empty"): "no finished run",
        str(tmp_path / "nowhere"): "is not a folder",
        str(tmp_path / "file"): "is not a folder",
        str(tmp_path / "damaged"): "result.json is damaged",
        str(tmp_path / "manifest"): "not a readable manifest",
        "--open": "no such option",
        "force=true": "no such option",
        "out=": "write out=PATH",
    }
    for argument, words in cases.items():
        out = [f"out={tmp_path / 'report'}"] * (argument != "out=")
        assert main(["report", argument, *out]) == 2, argument
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and words in lines[0], argument
    assert main(["report", str(finished_run), f"out={tmp_path / 'file'}"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()
