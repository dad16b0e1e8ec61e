"""The levels of docs/determinism.md: which runs agree bit for bit, and which nearly."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

IMAGES = [
    "dataset=image_folder",
    "dataset.image_size=16",
    "encoder.width=8",
    "dataset.augment=flip_shift",
]
TEXT = ["dataset=documents", "dataset.min_sentences=20", "encoder=gru", "encoder.dimension=16",
        "encoder.embedding_dim=16", "encoder.dropout=0.3", "objective.block_size=3",
        "objective.negatives=3"]  # fmt: skip
QUICK = ["training.steps=8", "training.batch_size=32", "training.log_every=1",
         "training.dev_every=4", "evaluation.ks=[2]", "evaluation.tops=[1]",
         "evaluation.linear_steps=5", "evaluation.l2=[0.001]", "evaluation.redraws=2",
         "runtime.progress=false"]  # fmt: skip
SCRIPT = """
import sys
from crl.cli.main import main
*commands, place = sys.argv[1:]
for command in commands:
    for threads in (1, 2):
        *arguments, name = command.split(";")
        options = [f"runtime.threads={threads}", f"run_dir={place}/{name}{threads}"]
        assert main(["train", *arguments, *options]) == 0
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of two processes that did the same four runs side by side.

    The runs are of images and of text, each with one thread and with two.
    """
    folder = tmp_path_factory.mktemp("processes")
    (folder / "documents").mkdir()
    for topic in ("tea", "sea", "ore"):
        lines = [
            f"the {topic}{i % 7} and the {topic}{i % 5} are {topic}{i % 3} on day {i} ."
            for i in range(60)
        ]
        (folder / "documents" / f"{topic}.txt").write_text("\n".join(lines))
        (folder / "images" / topic).mkdir(parents=True)
        for number in range(30):
            Image.effect_noise((16, 16), 10 + 5 * number).save(
                folder / "images" / topic / f"{number}.png"
            )
    commands = [[*IMAGES, *QUICK, f"dataset.root={folder / 'images'}", "images"]]
    commands += [[*TEXT, *QUICK, f"dataset.root={folder / 'documents'}", "text"]]
    started = []
    for name in ("one", "two"):
        # Each has its own cache, so that they share no prepared data, and its own hash seed, so
        # that the order of sets differs.
        own = os.environ | {
            "CRL_DATA": str(folder / f"cache-{name}"),
            "PYTHONHASHSEED": str(len(started) + 1),
        }
        command = [sys.executable, "-c", SCRIPT, *map(";".join, commands), str(folder / name)]
        started.append(
            subprocess.Popen(
                command, env=own, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
            )
        )
    for process in started:
        errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, errors
    return [folder / "one", folder / "two"]


def numbers(run: Path) -> dict[str, Any]:
    """Return the results of a run, without times and paths."""
    result = json.loads((run / "result.json").read_text())
    curve = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in curve:
        del line["points_per_second"], line["seconds"]
    return {key: result[key] for key in ("dataset", "metrics", "theory", "warnings")} | {
        "curve": curve
    }


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the final checkpoint by name: both encoders, optimiser state."""
    by_name: dict[str, torch.Tensor] = {}

    def collect(value: Any, name: str) -> None:
        if isinstance(value, torch.Tensor):
            by_name[name] = value
        elif isinstance(value, dict):
            for key, item in value.items():
                collect(item, f"{name}/{key}")

    collect(torch.load(run / "checkpoint.pt", weights_only=True), "")
    return by_name


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("data", ["images", "text"])
def test_two_processes_with_as_many_threads_agree_bit_for_bit(
    processes: list[Path], data: str, threads: int
) -> None:
    one, two = (place / f"{data}{threads}" for place in processes)
    assert json.loads((one / "environment.json").read_text())["threads"] == threads
    assert numbers(one) == numbers(two)
    ours, theirs = tensors(one), tensors(two)
    assert ours.keys() == theirs.keys() and len(ours) > 10
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.parametrize("data", ["images", "text"])
def test_another_number_of_threads_changes_no_more_than_rounding_at_first(
    processes: list[Path], data: str
) -> None:
    """Points, weights and tuples are the same, so the first loss agrees; later ones drift apart."""
    one, two = (numbers(processes[0] / f"{data}{threads}") for threads in (1, 2))
    assert one["dataset"] == two["dataset"] and one["warnings"] == two["warnings"]
    assert one["curve"][0]["train_loss"] == pytest.approx(two["curve"][0]["train_loss"], rel=1e-5)
    for ours, theirs in zip(one["curve"], two["curve"], strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-2)
