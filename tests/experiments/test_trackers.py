"""Trackers: TensorBoard files are read back; W&B and MLflow are stubs that record their calls."""

import importlib
import json
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crl.cli.main import main
from crl.experiments.config.compose import compose_config
from crl.experiments.config.identity import config_hash
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError
from crl.experiments.storage.run_folder import RunFolder
from crl.experiments.trackers import TRACKERS, Trackers

TINY = [
    "train",
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.batch_size=8",
]
TINY += [
    "training.steps=6",
    "training.dev_every=3",
    "training.log_every=1",
    "training.checkpoint_seconds=0",
]
TINY += ["evaluation.linear_steps=5", "evaluation.l2=[0.001]", "runtime.progress=false"]

WANDB = """
CALLS = []
BROKEN = False

class Settings:
    def __init__(self, **options):
        self.options = options

class _Summary(dict):
    def update(self, values):
        CALLS.append(("summary", values))

class _Run:
    summary = _Summary()
    def log(self, values, step):
        if BROKEN:
            raise ConnectionError("no route to host")
        CALLS.append(("log", step, values))
    def finish(self, exit_code):
        CALLS.append(("finish", exit_code))

def init(**options):
    if BROKEN:
        raise ConnectionError("no route to host")
    CALLS.append(("init", options))
    return _Run()
"""
MLFLOW = """
from types import SimpleNamespace
CALLS = []
RUNS = iter(range(100))

class MlflowClient:
    def __init__(self, tracking_uri):
        CALLS.append(("client", tracking_uri))
    def get_experiment_by_name(self, name):
        return None
    def create_experiment(self, name):
        CALLS.append(("experiment", name))
        return "7"
    def create_run(self, experiment, run_name):
        CALLS.append(("run", experiment, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id=f"run{next(RUNS)}"))
    def update_run(self, run, status):
        CALLS.append(("update", run, status))
    def log_batch(self, run, metrics=(), params=()):
        CALLS.append(("batch", run, {m[0]: m[1:] for m in metrics}, dict(params)))
    def set_terminated(self, run, status):
        CALLS.append(("end", run, status))
"""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs a package which records its calls instead of the real one."""

    def install(name: str) -> ModuleType:
        place = tmp_path / "site" / name
        place.mkdir(parents=True)
        (place / "__init__.py").write_text({"wandb": WANDB, "mlflow": MLFLOW}[name])
        (place / "entities.py").write_text(
            "Metric = lambda *parts: parts\nParam = lambda *parts: parts\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        for module in [module for module in sys.modules if module.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield install
    for module in [
        module for module in sys.modules if module.partition(".")[0] in ("wandb", "mlflow")
    ]:
        del sys.modules[module]  # then monkeypatch puts back what was there


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def final(run: Path) -> dict[str, float]:
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    return {name: value for name, value in metrics.items() if name.startswith("test.")}


def composed(**runtime: Any) -> Config:
    config = compose_config([])
    for name, value in runtime.items():
        setattr(config.runtime, name, value)
    return config


def interrupted_past_checkpoint(command: list[str], step: int) -> None:
    """Run the command, but interrupt it after it logged this step and before its checkpoint."""
    save = RunFolder.save_checkpoint

    def interrupt(folder: RunFolder, state: dict[str, Any]) -> None:
        if state["progress"]["step"] == step:
            raise KeyboardInterrupt
        save(folder, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "save_checkpoint", interrupt)
        assert main(command) == 130


def test_tensorboard_holds_what_the_run_folder_holds_also_after_an_interruption(
    tmp_path: Path,
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    command = [*TINY, "runtime.tensorboard=true", f"run_dir={run}"]
    interrupted_past_checkpoint(command, 5)
    assert len(lines(run)) == 5
    assert main(command) == 0

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    written: dict[str, list[tuple[int, float]]] = {}
    for line in lines(run):
        for name, value in line.items():
            if name != "step":
                written.setdefault(name, []).append(
                    (int(line["step"]), pytest.approx(value, rel=1e-6))
                )
    written |= {name: [(6, pytest.approx(value, rel=1e-6))] for name, value in final(run).items()}
    assert {"train_loss", "dev_loss", "test.mean.avg2", "test.linear.top1"} <= set(written)
    found = {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    assert {name: found.get(name) for name in written} == written
    (config,) = events.Tensors("config/text_summary")
    assert b"| training.steps | 6 |" in config.tensor_proto.string_val[0]
    assert "_hparams_/experiment" in events.summary_metadata


def test_wandb_gets_the_configuration_every_line_and_the_result(stub: Any, tmp_path: Path) -> None:
    calls, run = stub("wandb").CALLS, tmp_path / "run"
    assert main([*TINY, "runtime.wandb=team/paper", f"run_dir={run}"]) == 0
    (_, options), *logged, (_, summary), end = calls
    assert (options["entity"], options["project"], options["resume"], options["dir"]) == (
        "team",
        "paper",
        "allow",
        str(run),
    )
    assert (
        options["config"]["training.steps"] == 6 and options["config"]["evaluation.ks"] == "[2, 5]"
    )
    assert [{"step": step, **values} for _, step, values in logged] == lines(run)
    assert summary.items() >= final(run).items()
    assert end == ("finish", 0)


def test_mlflow_gets_the_configuration_every_line_and_the_result(stub: Any, tmp_path: Path) -> None:
    calls, run = stub("mlflow").CALLS, tmp_path / "run"
    assert main([*TINY, "runtime.mlflow=http://127.0.0.1:5000", f"run_dir={run}"]) == 0
    client, experiment, made, (_, _, _, params), *logged, (_, _, metrics, _), end = calls
    assert (client, experiment, end) == (
        ("client", "http://127.0.0.1:5000"),
        ("experiment", "crl"),
        ("end", "run0", "FINISHED"),
    )
    assert (
        made[1] == "7"
        and made[2].startswith("glyphs-small_cnn-contrastive-")
        and made[2].endswith("/seed0")
    )
    assert params["training.steps"] == "6"
    found = [{name: value for name, (value, _, _) in values.items()} for _, _, values, _ in logged]
    assert found == [
        {name: value for name, value in line.items() if name != "step"} for line in lines(run)
    ]
    assert [{step for _, _, step in values.values()} for _, _, values, _ in logged] == [
        {step} for step in range(1, 7)
    ]
    assert {
        name: value for name, (value, _, step) in metrics.items() if step == 6
    }.items() >= final(run).items()


@pytest.mark.parametrize(
    ("name", "setting", "other"), [("wandb", "one", "two"), ("mlflow", "http://one", "http://two")]
)
def test_a_run_goes_on_in_the_same_place_until_it_is_started_over(
    name: str, setting: str, other: str, stub: Any, tmp_path: Path
) -> None:
    stub(name)

    def identity(step: int, place: str, force: bool = False) -> str:
        config = composed(**{name: place})
        config.force = force
        with Trackers(config, tmp_path, "name", pytest.fail) as trackers:
            trackers.start(step)
        return json.loads((tmp_path / "loggers.json").read_text())[name]["id"]

    first = identity(0, setting)
    assert identity(20, setting) == first
    assert identity(0, setting) == first  # broken off before its first checkpoint
    assert identity(20, other) != first
    again = identity(0, setting, force=True)
    assert again != first
    (tmp_path / "loggers.json").write_text('{"wandb": 3')
    assert identity(20, setting) not in (first, again)


def test_how_a_run_ended_is_told(stub: Any, tmp_path: Path) -> None:
    calls = {"wandb": stub("wandb").CALLS, "mlflow": stub("mlflow").CALLS}
    config = composed(wandb="p", mlflow="http://x")
    with suppress(RuntimeError), Trackers(config, tmp_path, "name", pytest.fail) as trackers:
        trackers.start(0)
        raise RuntimeError("broken")
    assert calls["wandb"][-1] == ("finish", 1)
    assert calls["mlflow"][-1] == ("end", "run0", "KILLED")
    with Trackers(config, tmp_path, "name", pytest.fail) as trackers:
        trackers.start(20)
        trackers.finish({"test.mean.avg2": 0.5})
    assert calls["wandb"][-1] == ("finish", 0)
    assert ("update", "run0", "RUNNING") in calls["mlflow"]
    assert calls["mlflow"][-1] == ("end", "run0", "FINISHED")


def test_a_service_that_fails_is_said_once_and_the_run_ends_well(
    stub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wandb, run = stub("wandb"), tmp_path / "run"
    append = RunFolder.append_metrics

    def and_the_network_goes(folder: RunFolder, line: dict[str, Any]) -> None:
        wandb.BROKEN = line["step"] > 2
        append(folder, line)

    monkeypatch.setattr(RunFolder, "append_metrics", and_the_network_goes)
    assert main([*TINY, "runtime.wandb=p", f"run_dir={run}"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "runtime.wandb" in line]
    assert said == [
        "runtime.wandb: gave up (ConnectionError: no route to host); "
        "the run goes on, metrics.jsonl has every line"
    ]
    assert [line["step"] for line in lines(run)] == [1, 2, 3, 4, 5, 6]
    assert [call[1] for call in wandb.CALLS if call[0] == "log"] == [1, 2]


def test_a_service_that_cannot_be_reached_stops_a_new_run_but_not_one_that_goes_on(
    stub: Any, tmp_path: Path
) -> None:
    stub("wandb").BROKEN = True
    said: list[str] = []
    trackers = Trackers(composed(wandb="p"), tmp_path, "name", said.append)
    with pytest.raises(
        ConfigError,
        match=r"^runtime.wandb: cannot be started \(ConnectionError: no route to host\)",
    ):
        trackers.start(0)
    assert not said
    trackers.start(20)
    trackers.log({"step": 21, "train_loss": 1.0})
    trackers.finish({})
    assert len(said) == 1 and said[0].startswith("runtime.wandb: gave up (ConnectionError")


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize(
    "verb",
    [TINY, [*TINY, "-m", "seed=0,1"], ["reproduce", "only=fig2c,glyphs"]],
    ids=lambda v: v[0],
)
def test_a_package_that_is_missing_is_one_line_before_anything_is_made(
    verb: list[str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    setting = "true" if name == "tensorboard" else "here"
    assert main([*verb, f"runtime.{name}={setting}", f"output_dir={tmp_path}/out"]) == 2
    assert (
        capsys.readouterr().err
        == f"crl: runtime.{name}: not installed; pip install 'crl[{name}]'\n"
    )
    assert not (tmp_path / "out").exists()


def test_every_extra_is_declared() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert all(
        f"\n{name} = [" in text.partition("[project.optional-dependencies]")[2] for name in TRACKERS
    )


def test_trackers_change_no_hash() -> None:
    plain = config_hash(composed())
    assert config_hash(composed(tensorboard=True, wandb="p", mlflow="http://x")) == plain
    assert set(TRACKERS) <= set(vars(composed().runtime))


def test_the_real_wandb_takes_it_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = tmp_path / "run"
    assert main([*TINY, "runtime.wandb=p", f"run_dir={run}"]) == 0
    (folder,) = (run / "wandb").glob("offline-run-*")
    assert folder.name.endswith(json.loads((run / "loggers.json").read_text())["wandb"]["id"])
    (file,) = folder.glob("run-*.wandb")
    stored = file.read_bytes()
    assert all(name.encode() in stored for name in ("train_loss", "training.steps", *final(run)))


def test_the_real_mlflow_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("mlflow").MlflowClient
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run, place = tmp_path / "run", (tmp_path / "store").as_uri()
    command = [*TINY, f"runtime.mlflow={place}", f"run_dir={run}"]
    interrupted_past_checkpoint(command, 5)
    assert main(command) == 0
    store = client(tracking_uri=place)
    (stored,) = store.search_runs([store.get_experiment_by_name("crl").experiment_id])
    assert stored.info.status == "FINISHED" and stored.data.params["training.steps"] == "6"
    assert final(run).items() <= stored.data.metrics.items()
    losses = {
        metric.step: metric.value
        for metric in store.get_metric_history(stored.info.run_id, "train_loss")
    }
    assert losses == {line["step"]: line["train_loss"] for line in lines(run)}
