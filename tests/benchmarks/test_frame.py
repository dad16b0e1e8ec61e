"""The parts that all benchmarks share: bounds, summaries, and the files of results."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import table
from benchmarks.rows import ROWS, holds, row_of
from benchmarks.timing import in_turns, torch_defaults

Benchmark = Callable[[int], dict[str, list[float]]]


@pytest.mark.parametrize(
    ("value", "bound", "kept"),
    [
        (1.1, "<= 1.10", True),
        (1.11, "<= 1.10", False),
        (2.0, "< 2", False),
        (3, ">= 3", True),
        (2.9, ">= 3", False),
    ],
)
def test_a_bound_is_judged(value: float, bound: str, kept: bool) -> None:
    assert holds(value, bound) == kept


def test_a_bound_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="a bound is one of"):
        holds(1.0, "about 2")


def test_every_bound_can_be_judged() -> None:
    for row in ROWS.values():
        if row.bound is not None:
            assert holds(math.nan, row.bound) is False


def test_a_row_takes_the_first_pattern_that_fits() -> None:
    assert row_of("runner_tax/bag_of_words").bound == "<= 1.5"
    assert row_of("runner_tax/gru").bound == "<= 1.10"
    assert row_of("sampler/b10_k10/python_loop").bound is None
    assert row_of("something/else").bound is None


def test_a_summary_holds_the_median_and_the_verdict() -> None:
    found = table.summary("sampler/python_loop", [120.0, 90.0, 300.0])
    assert found == {
        "median": 120.0,
        "min": 90.0,
        "max": 300.0,
        "repeats": 3,
        "bound": ">= 100",
        "holds": True,
    }
    assert table.summary("text/peak_gb", [1.0, 2.0]) == {
        "median": 1.5,
        "min": 1.0,
        "max": 2.0,
        "repeats": 2,
        "unit": "GB",
    }


def _benchmarks(monkeypatch: pytest.MonkeyPatch, **measures: Benchmark) -> None:
    known = {
        n: SimpleNamespace(__name__=f"benchmarks.{n}", measure=m, note=lambda: "by hand")
        for n, m in measures.items()
    }
    monkeypatch.setattr(command, "modules", lambda: known)


def test_a_run_of_one_benchmark_leaves_the_rows_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sizes: list[int] = []

    def sampler(repeats: int) -> dict[str, list[float]]:
        sizes.append(repeats)
        return {"sampler/python_loop": [50.0], f"sampler/run{len(sizes)}": [1.0]}

    _benchmarks(
        monkeypatch,
        sampler=sampler,
        text=lambda repeats: {"text/peak_gb": [float(repeats)] * repeats},
    )
    assert command.main([], tmp_path, repeats=3) == 0
    assert command.main(["sampler"], tmp_path, repeats=2) == 0
    assert sizes == [3, 2]
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results) == {"sampler/python_loop", "sampler/run2", "text/peak_gb"}
    assert results["text/peak_gb"]["median"] == 3.0 and results["text/peak_gb"]["repeats"] == 3
    assert results["sampler/python_loop"]["holds"] is False
    page = (tmp_path / "results.md").read_text()
    assert (
        "| `sampler/python_loop` |" in page
        and "**no**" in page
        and "3 [3, 3] GB" in page
        and "by hand" in page
    )


def test_an_unknown_benchmark_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command.main(["smapler"], tmp_path) == 2
    assert "no benchmark 'smapler'; choose among" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_benchmarks_are_found() -> None:
    found = command.modules()
    assert {
        "end_to_end",
        "estimator",
        "peak_memory",
        "runner_tax",
        "sampler",
        "scaling",
        "text",
    } <= set(found)
    assert "reference" not in found


def test_sides_take_turns_and_the_first_turn_does_not_count() -> None:
    calls: list[str] = []
    found = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2, "turns")
    assert calls == ["a", "b"] * 3
    assert {name: len(times) for name, times in found.items()} == {"a": 2, "b": 2}


def test_baselines_run_with_the_defaults_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    was = torch.are_deterministic_algorithms_enabled()
    try:
        torch.use_deterministic_algorithms(True)
        with torch_defaults():
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(was)
