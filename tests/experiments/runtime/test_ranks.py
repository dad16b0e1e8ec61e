"""One training run in several processes: the same steps, one folder, and a common end."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import warnings
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import SLURMEnvironment
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from processes import Ended, ForkServer
from waiting import until

from crl.cli.main import main
from crl.data.dataset import Split
from crl.data.points import Images, Sentences
from crl.encoders.small_cnn import SmallCNN
from crl.encoders.wrappers import EncoderPair
from crl.experiments.config.compose import compose_config
from crl.experiments.config.encoders import ENCODERS
from crl.experiments.errors import ConfigError
from crl.experiments.launch.multi_device import Local, run_on_devices, started_outside
from crl.experiments.runtime.devices import build_fabric
from crl.experiments.runtime.ranks import Ranks
from crl.experiments.storage.run_folder import RunFolder
from crl.experiments.training.step import TrainingStep

STEPS = 50
TEXT = ["dataset=docstrings", "encoder.dimension=16"]
IMAGES = ["dataset=glyphs", "encoder.dimension=16", "dataset.augment=flip_shift"]
POOLED, FRESH = "objective.negative_source=pooled", "objective.negative_source=fresh"

CASES = {
    "images, pooled": [*IMAGES, POOLED, "optimizer=sgd", "optimizer.lr=0.001"],
    "images, fresh": [*IMAGES, FRESH, "optimizer=sgd", "optimizer.lr=0.001"],
    "gru, pooled": [*TEXT, POOLED, "encoder=gru", "encoder.dropout=0"],
    "gru, fresh": [*TEXT, FRESH, "encoder=gru", "encoder.dropout=0", "training.clip_norm=0.1"],
    "bag of words, pooled": [*TEXT, POOLED, "encoder=bag_of_words"],
    "bag of words, fresh": [*TEXT, FRESH, "encoder=bag_of_words"],
    "images, supervised": [*IMAGES, "objective=supervised", "optimizer=sgd", "optimizer.lr=0.001"],
    "two encoders": [
        *TEXT,
        "objective=quick_thoughts",
        "objective.encoders=2",
        "encoder=bag_of_words",
    ],
}


def losses(case: str, fabric: Fabric) -> list[float]:
    """The losses of fifty steps on four small classes."""
    sizes = [
        "training.batch_size=16",
        f"training.steps={STEPS}",
        "objective.block_size=2",
        "objective.negatives=3",
    ]
    config = compose_config([*CASES[case], *sizes])
    draws = torch.Generator().manual_seed(0)
    offsets = torch.tensor([0, 10, 30, 60, 100])
    labels = torch.arange(4).repeat_interleave(offsets.diff())
    torch.manual_seed(0)
    if config.dataset.name == "glyphs":
        colours = torch.randint(256, (4, 3, 16, 16), generator=draws)[labels]
        pixels = (colours // 2 + torch.randint(128, colours.shape, generator=draws)).to(torch.uint8)
        split = Split(Images(pixels), offsets)
        encoder = SmallCNN(dimension=16, width=4, mean=[0.5] * 3, std=[0.3] * 3)
    else:
        ends = torch.randint(2, 9, (100,), generator=draws).cumsum(0)
        words = labels.repeat_interleave(ends.diff(prepend=torch.zeros(1, dtype=torch.int64))) * 9
        words = words + torch.randint(1, 10, words.shape, generator=draws)
        split = Split(
            Sentences(words.int(), torch.cat([torch.zeros(1, dtype=torch.int64), ends])), offsets
        )
        vectors = torch.randn(40, 12, generator=draws)
        options = {"dimension": 16, "vectors": vectors, "frozen": True, "dropout": 0.0}
        if config.encoder.name == "gru":
            options["bidirectional"] = True
        encoders = [
            ENCODERS[config.encoder.name].load()(**options)
            for _ in range(config.objective.encoders)
        ]
        encoder = EncoderPair(*encoders) if len(encoders) == 2 else encoders[0]
    step = TrainingStep(config, fabric, encoder, split)
    return [float(step(number)) for number in range(STEPS)]


def _one_of(rank: int, count: int, port: int, answers: "SimpleQueue[Any]") -> None:
    fabric = build_fabric(
        compose_config(["runtime.device=cpu"]).runtime, Ranks(Local(rank, port), count)
    )
    answers.put((rank, {case: losses(case, fabric) for case in CASES}))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def of_two() -> dict[int, dict[str, list[float]]]:
    """{rank: {case: losses}} of two processes that train each case together."""
    context, port = multiprocessing.get_context("spawn"), find_free_network_port()
    answers = context.SimpleQueue()
    processes = [
        context.Process(target=_one_of, args=(rank, 2, port, answers), daemon=True)
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    return dict(answers.get() for _ in processes)


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_take_the_steps_of_one_process(
    case: str, of_two: dict[int, dict[str, list[float]]]
) -> None:
    one = losses(case, build_fabric(compose_config(["runtime.device=cpu"]).runtime))
    print(
        case,
        max(abs(a / b - 1) for a, b in zip(of_two[0][case], one, strict=True)),
        one[0],
        one[-1],
    )
    assert of_two[0][case] == pytest.approx(one, rel=1e-5)
    assert of_two[1][case] == of_two[0][case]
    assert len(set(one)) == STEPS


COMMAND = [sys.executable, "-m", "crl.cli.main"]
TRAIN = ["train", "dataset.points_per_class=10", "dataset.test_per_class=2",
         "dataset.augment=flip_shift", "encoder.width=2", "training.batch_size=16",
         "training.steps=60", "training.log_every=1", "training.dev_every=10",
         "training.checkpoint_seconds=0", "optimizer.lr=1e-4", "evaluation.linear_steps=5",
         "runtime.progress=false", "runtime.device=cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def by_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on one device."""
    folder = tmp_path_factory.mktemp("one") / "run"
    assert main([*TRAIN, f"run_dir={folder}"]) == 0
    return folder


def log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_same(run: Path, other: Path) -> None:
    """Assert that metrics and log are equal, up to the order of sums."""
    found, wanted = (json.loads((folder / "result.json").read_text()) for folder in (run, other))
    assert found["config_hash"] == wanted["config_hash"]
    assert found["metrics"] == pytest.approx(
        wanted["metrics"], abs=0.01
    )  # few points: one of 200 may be a tie
    assert found["metrics"]["dev.loss"] == pytest.approx(wanted["metrics"]["dev.loss"], rel=1e-4)
    for mine, theirs in zip(log(run), log(other), strict=True):
        names = set(theirs) - {"points_per_second", "seconds"}
        assert {name: mine[name] for name in names} == pytest.approx(
            {name: theirs[name] for name in names}, rel=1e-4
        )


@pytest.mark.parametrize("starter", ["crl", pytest.param("torchrun", marks=pytest.mark.slow)])
def test_one_command_leaves_one_folder_and_prints_once(
    starter: str, by_one: Path, crl: ForkServer, tmp_path: Path
) -> None:
    command = [*TRAIN, f"output_dir={tmp_path}"]
    if starter == "crl":
        done = crl.run(*command, "runtime.devices=2")
    else:
        torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        ended = subprocess.run(
            [sys.executable, "-m", *torchrun, *COMMAND[1:], *command],
            check=False, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        done = Ended(ended.returncode, ended.stdout, ended.stderr)
    assert done.code == 0, done.err
    (run,) = (tmp_path / "runs").glob("*/seed0")
    assert_same(run, by_one)
    assert json.loads((run / "environment.json").read_text())["devices"] == 2
    assert done.out.count("AVG-2") == 1
    said = [line for line in done.err.splitlines() if line.strip()]
    assert [line.split()[0] for line in said] == ["run", "trained"], done.err


def test_broken_off_at_one_device_goes_on_at_two(
    by_one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunFolder.append_metrics

    def interrupt(folder: RunFolder, line: dict[str, Any]) -> None:
        if line["step"] == 33:
            raise KeyboardInterrupt
        append(folder, line)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append_metrics", interrupt)
        assert main([*TRAIN, f"run_dir={tmp_path}/run"]) == 130
    assert main([*TRAIN, f"run_dir={tmp_path}/run", "runtime.devices=2"]) == 0
    assert_same(tmp_path / "run", by_one)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("victim", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_rank_that_is_killed_ends_the_others_and_one_device_goes_on(
    victim: int, by_one: Path, crl: ForkServer, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [*TRAIN, f"run_dir={run}"]
    process = crl.start(*command, "runtime.devices=2")
    until(lambda: (run / "metrics.jsonl").exists() and len(log(run)) >= 10, process)
    children = [
        int(pid)
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    other = next(
        pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    )
    os.kill(other if victim else process.pid, signal.SIGKILL)
    ended = process.wait()
    if victim:
        assert ended.code == 1
        assert ended.last.startswith("crl: the process of rank 1 was killed by signal 9 (SIGKILL")
    until(lambda: not Path(f"/proc/{other}").exists(), seconds=30)  # no rank is left behind
    assert main(command) == 0
    assert_same(run, by_one)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_rank_0_alone(signum: int, by_one: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [*COMMAND, *TRAIN, f"run_dir={run}"]
    process = subprocess.Popen(
        [*command, "runtime.devices=2", "training.checkpoint_seconds=1000"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: (run / "metrics.jsonl").exists() and len(log(run)) >= 10, process)
    os.killpg(process.pid, signum)  # as a terminal and a scheduler do: to all processes
    said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 128 + signum
    assert len(said) == 2 and said[1].startswith(f"crl: ended by {signal.Signals(signum).name}")
    assert (run / "checkpoint.pt").exists()
    assert main(command[3:]) == 0
    assert_same(run, by_one)


def test_what_is_wrong_is_said_once_and_ends_all(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main([*TRAIN, f"run_dir={run}", "runtime.devices=2", "training.batch_size=15"]) == 2
    assert capfd.readouterr().err == (
        "crl: training.batch_size: 15 tuples cannot be shared equally by 2 devices; "
        "choose a multiple of 2\n"
    )
    assert main([*TRAIN, "-m", "seed=0,1", "runtime.devices=2"]) == 2
    assert "each run of a sweep takes one" in capfd.readouterr().err
    assert not run.exists()
    run.mkdir()
    with FileLock(run / ".lock"):  # found out by rank 0 alone
        assert main([*TRAIN, f"run_dir={run}", "runtime.devices=2"]) == 2
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1 and "in use by another crl process" in said[0]
    assert multiprocessing.active_children() == []


def test_who_starts_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = compose_config([]), compose_config(["runtime.devices=2"])
    for name in [name for name in os.environ if name.startswith(("SLURM", "TORCHELASTIC"))]:
        monkeypatch.delenv(name)
    assert started_outside(one) is None and started_outside(two) is None
    for name, value in {
        "SLURM_JOB_ID": "71",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
    }.items():
        monkeypatch.setenv(name, value)  # what a batch script sees that starts no srun
    assert started_outside(one) is None and started_outside(two) is None
    for name, value in {
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_NTASKS_PER_NODE": "2",
    }.items():
        monkeypatch.setenv(name, value)
    assert started_outside(one) is None
    ranks = started_outside(two)
    assert ranks is not None and isinstance(ranks.environment, SLURMEnvironment)
    assert (ranks.count, ranks.nodes, ranks.environment.global_rank()) == (2, 1, 0)
    with pytest.raises(ConfigError, match="srun has started 2"):
        run_on_devices(compose_config(["runtime.devices=4"]), [], print)
    for name, value in {
        "TORCHELASTIC_RUN_ID": "x",
        "WORLD_SIZE": "4",
        "LOCAL_WORLD_SIZE": "2",
        "RANK": "3",
    }.items():
        monkeypatch.setenv(name, value)
    ranks = started_outside(one)
    assert ranks is not None
    assert (ranks.count, ranks.nodes, ranks.environment.global_rank()) == (4, 2, 3)
    with pytest.raises(ConfigError, match="torchrun has started 4"):
        started_outside(two)


def test_one_device_looks_for_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Fabric warns of an srun that is there and not used
        fabric = build_fabric(compose_config(["runtime.device=cpu"]).runtime)
    assert fabric.world_size == 1 and not torch.distributed.is_initialized()
