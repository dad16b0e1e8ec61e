"""The arrows between the rooms are a contract (import-linter in pyproject.toml) that can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINTER = Path(sys.executable).with_name("lint-imports")

PLANTED = {
    "the method knows an experiment": ("crl/scoring/task_accuracy.py", "crl.experiments.run"),
    "the method knows the data": ("crl/scoring/task_accuracy.py", "crl.data.dataset"),
    "a room knows one above it": ("experiments/storage/results.py", "crl.experiments.launch.sweep"),
    "an experiment knows the command line": ("experiments/run.py", "crl.cli.main"),
    "a cycle inside a room": ("data/seeding.py", "crl.data.tuples"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packages, to plant something in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("cli", "configs", "crl", "data", "experiments"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, symlinks=True, ignore=ignored)
    return tmp_path


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(LINTER), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("place", "module"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_arrow_breaks_the_contract(place: str, module: str, copy: Path) -> None:
    path = copy / place
    path.write_text(path.read_text() + f"\nimport {module}\n")
    linter = lint(copy)
    assert linter.returncode == 1 and "BROKEN" in linter.stdout, linter.stdout + linter.stderr


def test_a_new_room_needs_a_layer(copy: Path) -> None:
    (copy / "experiments" / "attic.py").write_text("")
    linter = lint(copy)
    assert linter.returncode == 1 and "attic" in linter.stdout, linter.stdout + linter.stderr


def test_the_copy_keeps_the_contract(copy: Path) -> None:
    linter = lint(copy)
    assert linter.returncode == 0, linter.stdout
