"""A finished run to read, evaluate and damage copies of."""

from pathlib import Path

import pytest

from cli.main import main


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny finished run; tests must not change it."""
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
