"""What a run records of its surroundings: all that the statement on determinism depends on."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from crl.experiments.runtime import environment as module
from crl.experiments.runtime.environment import environment


def test_versions_threads_and_arithmetic_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        found = environment(torch.device("cpu"), "bf16", "0123", ["crl", "train"])
    finally:
        torch.set_num_threads(threads)
    assert json.loads(json.dumps(found)) == found
    assert found["precision"] == "bf16"
    assert found["threads"] == threads + 1
    assert found["versions"]["torch"] == version("torch")
    assert {"python", "numpy", "scipy", "scikit-learn"} <= set(found["versions"])
    arithmetic = found["arithmetic"]
    assert (
        arithmetic["cpu"]
        and arithmetic["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    )
    assert arithmetic["deterministic"] == torch.are_deterministic_algorithms_enabled()
    assert arithmetic["variables"]["MKL_CBWR"] == "COMPATIBLE"
    assert "ONEDNN_MAX_CPU_ISA" not in arithmetic["variables"]
    assert all(library["num_threads"] >= 1 for library in arithmetic["libraries"])
    assert "cudnn" not in arithmetic


@pytest.mark.parametrize("tracked", [True, False])
def test_the_commit_is_recorded_only_where_git_tracks_our_file(
    tracked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment inside somebody's checkout holds our files, but their commit is not ours."""
    place = tmp_path / "project" / "site-packages"
    place.mkdir(parents=True)
    (place / "environment.py").write_text("# a copy")
    link = tmp_path / "link"  # as crl/experiments is one
    link.symlink_to(place)

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        command = ["git", *who, *arguments]
        return subprocess.run(
            command, cwd=tmp_path / "project", check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init")
    git("add", "." if tracked else ":(exclude)site-packages")
    git("commit", "--allow-empty", "-m", "theirs")
    monkeypatch.setattr(module, "__file__", str(link / "environment.py"))
    expected = git("rev-parse", "HEAD") if tracked else None
    if tracked:
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))  # a hook of git sets it
    assert environment(torch.device("cpu"), "bf16", "0123", ["crl", "train"])["commit"] == expected
