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
from benchmarks.timing import Ratios, in_turns, torch_defaults

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
    assert command.main([], tmp_path, repeats=3) == 1
    assert command.main(["sampler"], tmp_path, repeats=2) == 1
    assert command.main(["text"], tmp_path, repeats=3) == 0
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


def test_a_bound_that_does_not_hold_ends_with_exit_code_1_and_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _benchmarks(
        monkeypatch,
        sampler=lambda repeats: {"sampler/python_loop": [51.0], "sampler/dataloader": [20.0]},
        text=lambda repeats: {"text/cached_load_seconds": [2.5], "text/peak_gb": [9.0]},
    )
    assert command.main([], tmp_path) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "benchmarks: 2 bound(s) do not hold: sampler/python_loop is 51, not >= 100; "
        "text/cached_load_seconds is 2.5, not < 2"
    )
    assert (tmp_path / "results.json").exists()  # what was measured is kept


def test_the_ratio_of_the_shortest_times_is_judged_where_other_load_disturbs_a_side() -> None:
    ours, bare = [1.0, 1.9, 1.0, 2.2, 1.8], [1.0, 1.0, 1.7, 1.0, 1.0]
    found = table.summary("runner_tax/small_cnn", Ratios(ours, bare))
    assert found["median"] > 1.10 and found["of_shortest"] == 1.0 and found["holds"]
    assert "1 [0.588, 2.2]" in table.line("runner_tax/small_cnn", found)
    slower = table.summary("runner_tax/small_cnn", Ratios([1.2, 1.2], [1.0, 1.7]))
    assert slower["of_shortest"] == pytest.approx(1.2) and not slower["holds"]


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
