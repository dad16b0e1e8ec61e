"""What a run folder keeps of metrics.jsonl, and what it removes."""

import json
from pathlib import Path

from crl.experiments.storage.lock import run_lock
from crl.experiments.storage.run_folder import RunFolder


def test_metrics_past_the_checkpoint_and_broken_lines_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    lines = [{"step": step, "train_loss": 1 / step} for step in (1, 2, 3)]
    for line in lines:
        folder.append_metrics(line)
    with folder.metrics.open("a") as stream:
        stream.write('{"step": 4, "tr')
    folder.write_metrics(lines[:2])
    assert [json.loads(line) for line in folder.metrics.read_text().splitlines()] == lines[:2]


def test_leftovers_go_unless_a_process_is_at_work(tmp_path: Path) -> None:
    (tmp_path / ".replaced.4711.tmp").mkdir()
    (tmp_path / ".replaced.4711.tmp" / "result.json").touch()
    (tmp_path / ".result.json.4711.tmp").touch()
    with run_lock(tmp_path).acquire():
        RunFolder(tmp_path).remove_leftovers()
        assert len([*tmp_path.glob("*.tmp")]) == 2
    RunFolder(tmp_path).remove_leftovers()
    assert not [*tmp_path.glob("*.tmp")]
