"""Runs, a manifest and a report of the code at commit f117660 are read as they were read then.

``tests/fixtures/old_runs`` was made by ``crl train`` (glyphs) and ``crl train -m`` (class_ids, two
seeds), ``tests/fixtures/old_report`` by ``crl report old_runs``. What the report has gained since
is in it: the bars of claims, and commands. The rows of the paper's other settings are gone.
"""

import json
import shutil
from pathlib import Path

import pytest

from crl.cli.main import main

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
RUNS = sorted(path.parent for path in (FIXTURES / "old_runs" / "runs").rglob("result.json"))


@pytest.fixture
def old_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of runs, in the folder that the runs' commands were given in."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIXTURES / "old_runs", tmp_path / "old_runs")
    return tmp_path / "old_runs"


def test_a_report_has_the_tables_of_then(old_runs: Path) -> None:
    assert main(["report", "old_runs", "out=report"]) == 0
    old, new = (
        {path.name: path.read_text() for path in folder.glob("*.csv")}
        for folder in (FIXTURES / "old_report", Path("report") / "tables")
    )
    assert old == new


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.parent.name}-{run.name}")
def test_a_checkpoint_is_scored_as_then(run: Path, old_runs: Path) -> None:
    """The numbers are equal up to the arithmetic of the machine, if the data are the same."""
    folder = old_runs / run.relative_to(FIXTURES / "old_runs")
    assert main(["evaluate", str(folder), "runtime.progress=false"]) == 0
    (evaluation,) = (folder / "evaluations").glob("*.json")
    old, new = (json.loads(path.read_text()) for path in (run / "result.json", evaluation))
    if old["dataset"]["fingerprint"] != new["dataset"]["fingerprint"]:
        pytest.skip("glyphs look different here: other versions of matplotlib's fonts or Pillow")
    assert new["dataset"] == old["dataset"]
    assert new["metrics"] == pytest.approx(old["metrics"], rel=0.01, abs=0.02)
    assert set(new["theory"]) == set(old["theory"])
    for name in ("tau", "intraclass_deviation"):
        assert new["theory"][name] == pytest.approx(old["theory"][name], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.parent.name}-{run.name}")
def test_the_command_of_a_run_finds_it_complete(
    run: Path, old_runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command leads to the same folder, so the hash of the configuration is that of then."""
    command = json.loads((run / "result.json").read_text())["environment"]["command"]
    before = {path: path.read_bytes() for path in old_runs.rglob("*") if path.is_file()}
    assert main(command[1:]) == 0
    assert "complete already" in capsys.readouterr().err
    after = {path: path.read_bytes() for path in old_runs.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    assert {path.name for path in after.keys() - before.keys()} <= {".lock"}
