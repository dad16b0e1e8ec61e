"""What a run folder keeps of metrics.jsonl."""

import json
from pathlib import Path

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
