"""What a run records of its surroundings: all that the statement on determinism depends on."""

import json
from importlib.metadata import version

import pytest
import torch

from crl.experiments.runtime.environment import environment


def test_versions_threads_and_arithmetic_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        found = environment(torch.device("cpu"), "0123", ["crl", "train"])
    finally:
        torch.set_num_threads(threads)
    assert json.loads(json.dumps(found)) == found
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
