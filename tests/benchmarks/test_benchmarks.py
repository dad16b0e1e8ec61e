"""Every benchmark runs at a tiny size; the baseline draws what the paper's procedure draws."""

import math
import random
import sys
from pathlib import Path

import pytest
import torch
from dataset_defaults import load

from benchmarks import (
    end_to_end,
    estimator,
    ours,
    peak_memory,
    runner_tax,
    sampler,
    scaling,
    shared_machine,
    text,
)
from benchmarks.process import in_own_process
from benchmarks.reference import ImageTuples, IndexTuples, ReferenceTraining
from crl.data.dataset import Dataset, Split
from crl.data.points import Images


@pytest.fixture
def images() -> Dataset:
    return ours.random_pixels(classes=4, per_class=6)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, images: Dataset) -> None:
    for module in (runner_tax, scaling):
        monkeypatch.setattr(module, "random_pixels", lambda: images)


def _usable(found: dict[str, list[float]], repeats: int) -> set[str]:
    for values in found.values():
        assert len(values) == repeats and all(math.isfinite(value) for value in values)
    return set(found)


def test_a_literal_tuple_is_of_one_class_and_of_negative_blocks() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)
    dataset = IndexTuples(labels, block_size=3, negatives=2, tuples=5)
    assert len(dataset) == 5
    random.seed(0)
    drawn = torch.stack([dataset[0] for _ in range(4000)])
    assert drawn.shape == (4000, 1 + 3 + 2 * 3)
    classes = labels[drawn]
    blocks = classes[:, 1:].unflatten(1, (3, 3))
    assert bool((blocks == blocks[..., :1]).all()), "a block is of one class"
    assert bool((blocks[:, 0] == classes[:, :1]).all()), (
        "the positive block is of the anchor's class"
    )
    # Classes have their share (rho); the negatives' do not depend on the anchor's. The tolerance is
    # six standard deviations.
    tolerance = 6 * math.sqrt(0.25 * 0.75 / 1000)
    for column in (classes[:, 0], blocks[:, 1, 0], blocks[:, 2, 0]):
        assert abs(float(column.double().mean()) - 0.25) < tolerance
    given = blocks[classes[:, 0] == 1]
    assert abs(float(given[:, 1, 0].double().mean()) - 0.25) < tolerance
    assert set(drawn.flatten().tolist()) == set(range(40)), "every point can be drawn"


def test_the_literal_images_are_standardised() -> None:
    pixels = torch.full((4, 3, 2, 2), 51, dtype=torch.uint8)
    split = Split(Images(pixels), torch.tensor([0, 2, 4]))
    drawn = ImageTuples(split, [0.1, 0.2, 0.3], [0.5, 0.5, 0.2], 1, 1, tuples=1)[0]
    assert drawn.shape == (3, 3, 2, 2)
    assert drawn[:, :, 0, 0].tolist() == [pytest.approx([0.2, 0.0, -0.5], abs=1e-6)] * 3


def test_the_literal_training_lowers_its_loss(images: Dataset) -> None:
    torch.manual_seed(0)
    model = ReferenceTraining(8, 2, 2, 3, lr=3e-3, weight_decay=0.0)
    batch = torch.randn(4, 1 + 2 + 6, 3, 32, 32)
    losses = [float(model.step(batch)) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_runner_tax(images: Dataset) -> None:
    steps = {"small_cnn": 2, "bag_of_words": 1}
    found = runner_tax.measure(1, steps, batch_size=8, options=["encoder.dimension=4"])
    assert _usable(found, 1) == {"runner_tax/small_cnn", "runner_tax/bag_of_words"}


def test_the_bare_encoder_reads_what_ours_read(images: Dataset) -> None:
    options = ["dataset=cifar100", "encoder.width=2", "training.batch_size=8"]
    made = ours.training(options, images)
    bare = runner_tax.BareEncoder(made)
    before = [p.clone() for p in bare.encoder.parameters()]
    theirs = [p.clone() for p in made.encoder.parameters()]
    made.step(0)
    assert [len(points) for points in bare.batches] == [8 * 3]
    trained = [p.clone() for p in made.encoder.parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(theirs, trained, strict=True))
    bare.steps()
    assert any(
        not torch.equal(a, b) for a, b in zip(before, bare.encoder.parameters(), strict=True)
    )
    for kept, now in zip(trained, made.encoder.parameters(), strict=True):
        assert torch.equal(kept, now), "a copy was trained"
    assert len(bare.batches) == 1, "the copy's own reading is not recorded"


def test_sampler() -> None:
    rows = {
        f"{row}/{baseline}"
        for row in sampler.SETTINGS
        for baseline in ("python_loop", "dataloader", "lean_loop")
    }
    assert _usable(sampler.measure(1, batch_size=16, steps=2), 1) == rows


def test_end_to_end(images: Dataset) -> None:
    found = end_to_end.measure(1, settings=((1, 1, 4, 1), (2, 2, 4, 2)), width=2, data=images)
    assert _usable(found, 1) == {
        f"end_to_end/{b}/{s}" for b in ("b1_k1", "b2_k2") for s in ("fresh", "pooled")
    }


_TINY = (
    "dataset=glyphs",
    "dataset.points_per_class=6",
    "dataset.test_per_class=2",
    "encoder.width=2",
)


def test_estimator() -> None:
    options = (*_TINY, "training.batch_size=8", "training.steps=4")
    assert _usable(estimator.measure(1, target=0.01, every=2, options=options), 1) == {
        "estimator/time_to_0.01"
    }
    with pytest.raises(RuntimeError, match="does not reach 1"):
        estimator.measure(1, target=1.5, every=2, options=options)


def test_scaling() -> None:
    sizes = {row: (10, 20) if row.startswith("evaluation") else (8, 16) for row in scaling.SIZES}
    sizes |= dict.fromkeys(("step/negatives", "step/block_size", "pooled_loss/negatives"), (1, 2))
    found = scaling.measure(1, {**sizes, "evaluation/points": (100, 200)}, width=2)
    assert _usable(found, 1) == {f"scaling/{row}" for row in scaling.SIZES}


def test_a_slope_is_one_where_time_is_proportional(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_turns(sides: dict[str, object], repeats: int, title: str) -> dict[str, list[float]]:
        return {size: [float(size) ** 2] * repeats for size in sides}

    monkeypatch.setattr(scaling, "in_turns", in_turns)
    assert (
        scaling.slopes(lambda size: lambda: None, (2, 4, 8), 2, "squares")
        == [pytest.approx(2.0)] * 2
    )


def test_text(tmp_path: Path) -> None:
    text.write_articles(tmp_path / "articles", 3)
    data = load("wiki3029", root=str(tmp_path / "articles"))
    assert len(data.classes) == 3
    assert sum(len(split) for split in data.splits().values()) == 3 * text.SENTENCES
    found = text.measure(1, articles=2, preparations=1)
    assert _usable(found, 1) == {
        "text/sentences_per_second",
        "text/cached_load_seconds",
        "text/peak_gb",
    }


def test_peak_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak_memory, "images_at_hand", lambda: "glyphs")
    options = (
        *_TINY[1:],
        "training.batch_size=12",
        "objective.block_size=2",
        "evaluation.redraws=1",
        "encoder.dimension=4",
    )
    found = peak_memory.measure(1, options)
    assert _usable(found, 1) == {"peak_memory_gb/b10_k10", "peak_memory_gb/b10_k10_fresh"}


def test_shared_machine() -> None:
    found = shared_machine.measure(1, (sys.executable, "-c", "pass"))
    assert _usable(found, 1) == {"shared_machine/two_at_once"}
    with pytest.raises(RuntimeError, match="exit codes \\[3, 3\\]"):
        shared_machine.measure(1, (sys.executable, "-c", "raise SystemExit(3)"))


def test_a_run_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"exit code 2: .*training\.steps"):
        peak_memory.train(("dataset=glyphs", "training.steps=0"))


def test_the_peak_is_of_the_process_alone() -> None:
    alone = in_own_process(exec, "b'x'")[1]
    held = torch.ones(1_000_000_000, dtype=torch.uint8)  # what the parent holds
    small, large = (in_own_process(exec, f"b'x' * {size}")[1] for size in (1, 300_000_000))
    assert len(held) == 1_000_000_000
    assert small == pytest.approx(alone, abs=0.05)
    assert large - small == pytest.approx(0.3, abs=0.05)
