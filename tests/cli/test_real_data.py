"""``crl train`` on a small part of real data; skipped where there is none."""

import json
from collections.abc import Callable
from pathlib import Path

from crl.cli.main import main

QUICK = [
    "training.batch_size=32",
    "evaluation.linear_steps=50",
    "evaluation.redraws=2",
    "runtime.progress=false",
]


def _metrics(run: Path) -> dict[str, float]:
    return json.loads((run / "result.json").read_text())["metrics"]


def test_cifar100_is_learned(real_data: Callable[[str, int], Path], tmp_path: Path) -> None:
    root = real_data("cifar-100-python", 10).parent
    command = [
        "train",
        "dataset=cifar100",
        f"dataset.root={root}",
        *QUICK,
        "training.steps=150",
        "encoder.width=8",
    ]
    assert main([*command, f"run_dir={tmp_path}/run"]) == 0
    assert _metrics(tmp_path / "run")["test.mean.avg2"] > 0.7  # chance is 0.5


def test_wikipedia_is_learned(real_data: Callable[[str, int], Path], tmp_path: Path) -> None:
    articles = real_data("Wiki-709", 30)
    chosen = tmp_path / "articles"
    chosen.mkdir()
    for path in sorted(articles.glob("*.txt"))[:30]:
        (chosen / path.name).write_bytes(path.read_bytes())
    command = ["train", "dataset=wiki3029", f"dataset.root={chosen}", *QUICK, "training.steps=100"]
    assert main([*command, f"run_dir={tmp_path}/run"]) == 0
    assert _metrics(tmp_path / "run")["test.mean.avg2"] > 0.85
