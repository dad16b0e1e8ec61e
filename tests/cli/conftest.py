"""A finished run for tests that read it, evaluate it, or damage a copy."""

import shutil
from pathlib import Path

import pytest

from crl.cli.main import main


@pytest.fixture
def finished_run(_finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny finished run, a copy for each test."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(_finished_once, folder)
    return folder


@pytest.fixture(scope="session")
def _finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    tiny = [
        "dataset.points_per_class=10",
        "dataset.test_per_class=2",
        "encoder.width=2",
        "training.steps=2",
    ]
    tiny += ["evaluation.linear_steps=5", "runtime.progress=false"]
    assert main(["train", *tiny, f"run_dir={folder}"]) == 0
    return folder
