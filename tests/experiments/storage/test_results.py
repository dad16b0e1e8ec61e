"""Reading finished runs, and the statistics of several seeds."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import make_run

from crl.data.files.atomic import read_checked_json, write_checked_json
from crl.experiments.errors import ConfigError
from crl.experiments.metric_names import few_shot, metric_title
from crl.experiments.statistics import interval, summarise
from crl.experiments.storage.results import find_runs, paired_difference, read_run


def test_a_run_is_read_with_its_numbers(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "glyphs-a-00000001", 3, 0.9, curve=[{"step": 1, "loss": 2.0}])
    run = read_run(folder)
    assert run is not None
    assert (run.name, run.seed, run.dataset, run.metrics["test.mean.avg2"]) == (
        "glyphs-a-00000001",
        3,
        "glyphs",
        0.9,
    )
    assert run.theory("lemma_4_3", "slack") == 0.1
    assert run.theory("lemma_4_3", "slack", split="train") == 0.1
    assert run.theory("lemma_4_3") is None  # a group, not a number
    assert run.theory("no_such", "slack") is None


def test_the_curve_is_read_whole(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a-1", 0, 0.9, curve=[{"step": 1}, {"step": 2}])
    run = read_run(folder)
    assert run is not None
    assert [line["step"] for line in run.curve()] == [1, 2]


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl"])
def test_a_file_that_the_result_was_not_written_with_is_named(name: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a-1", 0, 0.9, curve=[{"step": 1}, {"step": 2}])
    (folder / name).write_text((folder / name).read_text().replace("1", "2", 1))
    with pytest.raises(ConfigError) as error:
        read_run(folder)
    assert str(error.value).startswith(f"{folder / name} is damaged")
    assert str(error.value).endswith("delete both and start the run again")


def test_an_unfinished_run_is_none(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a-1", 0, 0.9)
    (folder / "result.json").unlink()
    assert read_run(folder) is None


def test_a_result_without_its_configuration_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a-1", 0, 0.9)
    (folder / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config.yaml is missing"):
        read_run(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "has no checksum"),
        ('{"checksum": "0"}', "its checksum differs"),
    ],
)
def test_a_damaged_result_is_named(tmp_path: Path, damage: str, words: str) -> None:
    path = make_run(tmp_path, "a-1", 0, 0.9) / "result.json"
    path.write_text(damage)
    with pytest.raises(ConfigError) as error:
        read_run(path.parent)
    assert str(error.value).startswith(f"{path} ") and words in str(error.value)
    assert str(error.value).endswith("delete it and start the run again")


@pytest.mark.parametrize(
    "damage",
    [
        "{}",
        '{"name": "a", "seed": -1, "dataset": {"name": "glyphs"}, "metrics": {}}',
        '{"name": "a", "seed": 0, "dataset": "glyphs", "metrics": {}}',
        '{"name": "a", "seed": 0, "dataset": {"name": "glyphs"}, '
        '"metrics": {"test.mean.avg2": "high"}}',
    ],
)
def test_a_result_that_is_none_names_its_folder(tmp_path: Path, damage: str) -> None:
    folder = make_run(tmp_path, "a-1", 0, 0.9)
    result = json.loads(damage) | {"files": {}}
    write_checked_json(folder / "result.json", result)
    with pytest.raises(ConfigError, match="is not the result of a run"):
        read_run(folder)


MAP = {"method": "pca", "variance": [0.5, 0.2], "classes": [3, 7], "labels": [3, 7, 7],
       "points": [[1.0, 0.5], [-0.5, 0.0], [0.1, 0.2]],
       "means": [[1.0, 0.5], [-0.2, 0.1]]}  # fmt: skip
WARNING = {"kind": "leak", "message": "3 of 9 test points are train points too", "share": 0.3}


@pytest.mark.parametrize(
    "whole", [{"warnings": []}, {"warnings": [WARNING]}, {"map": None}, {"map": MAP}]
)
def test_warnings_and_maps_as_a_run_writes_them(tmp_path: Path, whole: dict[str, Any]) -> None:
    forge(make_run(tmp_path, "a-1", 0, 0.9), whole)
    assert read_run(tmp_path / "runs" / "a-1" / "seed0") is not None


@pytest.mark.parametrize(
    "forged",
    [
        *(
            {"warnings": value}
            for value in (None, 3, {}, "text", [None], ["text"], [{}], [WARNING | {"message": 3}])
        ),
        *({"map": value} for value in (3, "text", [], {}, {"method": "pca"})),
        *(
            {"map": MAP | {name: value}}
            for name in MAP
            for value in (3, [3], [["a", "b"]], {"a": 1})
        ),
        {"map": MAP | {"method": "$\\foo$"}},
        {"map": MAP | {"classes": [3, 8]}},
        {"map": MAP | {"labels": [3, 7]}},
        {"map": MAP | {"means": [[0.0, 0.0]]}},
        {"map": MAP | {"points": [[1.0, 0.5], [-0.5, 1e300], [0.1, 0.2]]}},
        {"map": MAP | {"labels": [3, 7] * 5000, "points": [[0.0, 0.0]] * 10_000}},
        {"timing": {"train_seconds": 1.0, "prepare_seconds": "long"}},
    ],
)
def test_forged_warnings_and_maps_are_refused(tmp_path: Path, forged: dict[str, Any]) -> None:
    forge(make_run(tmp_path, "a-1", 0, 0.9), forged)
    with pytest.raises(ConfigError, match="is not the result of a run"):
        read_run(tmp_path / "runs" / "a-1" / "seed0")


def forge(folder: Path, parts: dict[str, Any]) -> None:
    """Replace parts of a result, and renew its checksum."""
    write_checked_json(folder / "result.json", read_checked_json(folder / "result.json") | parts)


def test_runs_are_found_once_in_the_order_of_their_paths(tmp_path: Path) -> None:
    places = [make_run(tmp_path, name, seed, 0.9) for name in ("b-1", "a-1") for seed in (1, 0)]
    found = find_runs([tmp_path, tmp_path / "runs"])
    assert [run.path for run in found.runs] == sorted(place.resolve() for place in places)


def test_summaries_and_intervals_against_known_values() -> None:
    assert summarise([3.0]) == (3.0, None, 1)
    assert summarise([1.0, 2.0, 3.0]) == (2.0, 1.0, 3)
    found = interval([1.0, 2.0, 3.0])
    assert found.high - found.mean == pytest.approx(
        4.302653 / math.sqrt(3), rel=1e-6
    )  # t(0.975, 2 degrees of freedom)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert interval([5.0]) == (5.0, -math.inf, math.inf, 1)


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    ours = [make_run(tmp_path, "ours-1", seed, 0.8 + seed / 100) for seed in (0, 1, 2)]
    theirs = [make_run(tmp_path, "theirs-1", seed, 0.7 + seed / 100) for seed in (2, 1, 5)]
    runs = [[run for path in paths if (run := read_run(path))] for paths in (ours, theirs)]
    found = paired_difference(*runs, "test.mean.avg2")
    assert found is not None
    assert (found.n, found.mean) == (2, pytest.approx(0.1))
    assert found.high - found.low == pytest.approx(0, abs=1e-9)
    within = paired_difference(runs[0], runs[0], "test.mean.avg2", "test.linear.avg2")
    assert within is not None and within.mean == pytest.approx(-0.01)
    assert paired_difference(runs[0], runs[1][2:], "test.mean.avg2") is None
    assert paired_difference(*runs, "test.mean.avg3") is None


def test_names_of_metrics() -> None:
    assert metric_title("test.mean.avg2") == "AVG-2"
    assert metric_title("top10") == "TOP-10"
    assert few_shot({"test.mean10pct.avg2": 0.1, "test.mean3.avg2": 0.2}) == "mean3"


def test_a_result_without_theory_is_still_a_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a-1", 0, 0.9)
    result = read_checked_json(folder / "result.json")
    del result["theory"]
    write_checked_json(folder / "result.json", result)
    run = read_run(folder)
    assert run is not None and run.theory("tau") is None
