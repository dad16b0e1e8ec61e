"""Threads that wait give up their core, unless the user has chosen otherwise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crl.experiments.runtime import waiting
from crl.experiments.runtime.waiting import spin_briefly

# A command that ends before a run starts, and then what torch would find.
COMMAND = """
import json, os, sys
from crl.cli.main import main
main(["train", "training.steps=none"])
print(json.dumps(["torch" in sys.modules, os.environ.get("GOMP_SPINCOUNT")]))
"""


@pytest.mark.parametrize("chosen", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}])
def test_what_the_user_has_chosen_stays(chosen: dict[str, str]) -> None:
    environment = dict(chosen)
    spin_briefly(environment)
    assert environment == chosen


@pytest.mark.parametrize(
    ("cpuinfo", "turns"),
    [
        ("vendor_id\t: AuthenticAMD", "2000"),
        ("vendor_id\t: GenuineIntel", "10000"),
        (None, "10000"),
    ],
)
def test_the_turns_follow_the_maker_of_the_cpu(
    cpuinfo: str | None, turns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_CPUINFO", tmp_path / "cpuinfo")
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{cpuinfo}\n")
    environment: dict[str, str] = {}
    spin_briefly(environment)
    assert environment == {"GOMP_SPINCOUNT": turns}


def test_a_command_sets_it_before_torch_is_loaded() -> None:
    environment = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, check=True
    )
    torch_is_loaded, turns = json.loads(done.stdout)
    assert not torch_is_loaded
    assert turns in ("2000", "10000")
