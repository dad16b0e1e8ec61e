"""``crl reproduce`` through the real command, at a size that takes seconds."""

import json
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from processes import Ended, ForkServer
from quick_theory import all_draws
from waiting import until

from crl.cli.main import main

SMALL = [
    "reproduce",
    "runtime.device=cpu",
    "evaluation.linear_steps=10",
    "dataset.points_per_class=30",
    "dataset.test_per_class=4",
    "encoder.width=2",
    "training.curve_every=10",
]


def done(crl: ForkServer, *arguments: str) -> Ended:
    return crl.run(*SMALL, *arguments)


def results(place: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in place.glob("runs/*/*/result.json")}


def _locked(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def files(place: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes() for path in sorted((place / "report").rglob("*")) if path.is_file()
    }


def test_killed_in_the_middle_it_goes_on_and_does_no_run_twice(
    crl: ForkServer, tmp_path: Path
) -> None:
    asked = [
        "only=glyphs,table1,table2",
        "seeds=2",
        "workers=2",
        "training.steps=20",
        f"output_dir={tmp_path}",
    ]
    process = crl.start(*SMALL, *asked)
    until(lambda: len(results(tmp_path)) >= 2, process)
    process.kill()
    # The workers end with their parent.
    until(lambda: not any(map(_locked, tmp_path.glob("runs/*/*/.lock"))), seconds=30)
    before = results(tmp_path)
    assert 2 <= len(before) < 8
    again = done(crl, *asked)
    assert again.code == 0, again.err
    assert f"8 runs in 2 studies, {len(before)} complete already" in again.err
    assert "[8/8] glyphs-small_cnn-" in again.err
    after = results(tmp_path)
    assert len(after) == 8 and before.items() <= after.items()
    page = files(tmp_path)
    assert b"Table 2 on glyphs" in page[tmp_path / "report" / "index.html"]

    third = done(crl, *asked)
    assert third.code == 0, third.err
    assert "8 complete already" in third.err
    assert results(tmp_path) == after
    assert files(tmp_path) == page
    assert third.out == again.out


def test_a_run_is_the_same_by_itself(crl: ForkServer, tmp_path: Path) -> None:
    asked = ["only=glyphs,,fig2c", "seeds=1", "training.steps=20", f"output_dir={tmp_path}/one"]
    assert done(crl, *asked).code == 0
    (run,) = (tmp_path / "one").glob("runs/*/*")
    command = json.loads((run / "environment.json").read_text())["command"]
    with all_draws():
        assert main([*command[1:], f"run_dir={tmp_path}/alone"]) == 0
    found, alone = (
        json.loads((place / "result.json").read_text()) for place in (run, tmp_path / "alone")
    )
    assert found["metrics"] == alone["metrics"] and found["theory"] == alone["theory"]


def test_a_failed_run_is_named_at_the_end_and_the_report_is_made(
    crl: ForkServer, tmp_path: Path
) -> None:
    asked = ["only=glyphs,table1", "seeds=1", "workers=1", "training.steps=20"]
    asked += [f"output_dir={tmp_path}"]
    assert done(crl, *asked).code == 0
    broken = next(path for path in results(tmp_path) if "supervised" in path.parts[-3])
    broken.unlink()
    (broken.parent / "checkpoint.pt").write_bytes(b"no checkpoint")
    found = done(crl, *asked)
    assert found.code == 1
    assert found.last.startswith("crl: 1 run(s) failed")
    assert broken.parts[-3] in found.last and "checkpoint.pt is damaged" in found.last
    assert "index.html" in found.out


def test_studies_of_an_earlier_call_stay_in_the_report(crl: ForkServer, tmp_path: Path) -> None:
    asked = ["seeds=1", "workers=1", "training.steps=10", f"output_dir={tmp_path}"]
    for study in ("fig2c", "table1"):
        assert done(crl, f"only=glyphs,{study}", *asked).code == 0
    manifest = json.loads((tmp_path / "reproduce-quick.study.json").read_text())
    assert [study["name"] for study in manifest["studies"]] == ["fig2c", "table1"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["scale=huge"], "quick, cpu, paper"),
        (["only=table9"], "table1, table2"),
        (["seeds=0"], "at least 1"),
        (["seeds=²"], "at least 1"),
        (["workers=many"], "at least 1"),
        (["scale=cpu", "cifar100=nowhere"], "nowhere does not exist"),
        (["sead=3"], "did you mean seeds="),
        (["dataset.colour=red"], "dataset.colour"),
        (["scale=paper", "only=wiki3029"], "encoder.glove_path"),
        (["seed=1"], "did you mean seeds="),
        (["cifar100=."], "cifar100: only cifar100 can use it"),
        (["cifar100="], "write cifar100=PATH"),
        (["glove=."], "glove: only wiki3029 and imdb can use it"),
        (["scale=cpu", "only=cifar100", "wiki3029=."], "wiki3029: only wiki3029 can use it"),
        (["only=docstrings,table1,fig2a"], "fig2a selects nothing"),
        (["only=labels", "evaluation.label_fraction=0.05"], "10% of the labels"),
        (["only=labels", "evaluation.label_fraction=null"], "10% of the labels"),
        (["only=table2", "evaluation.ks=[3]"], "table2 compares AVG-2"),
        (["only=fig2b", "evaluation.tops=[5]"], "fig2b compares TOP-1"),
        (["only=fig2c", "training.curve_every=null"], "training.curve_every: null"),
        (["evaluation.attentive=true"], "no encoder of crl reproduce has tokens"),
        (["runtime.devices=2"], "runtime.devices: each run of a sweep takes one"),
    ],
)
def test_bad_input_is_answered_in_one_line_before_anything_starts(
    arguments: list[str], wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *arguments, f"output_dir={tmp_path}/out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("crl: ") and wanted in line
    assert not (tmp_path / "out").exists()
