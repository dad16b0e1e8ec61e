"""Runs through Hydra's launchers, so that one after the other (``basic``), side by side
(``joblib``) and on a cluster (``submitit_slurm``) differ in one option. Free of torch until a run
starts."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from filelock import FileLock, Timeout
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, read_write
from tqdm import tqdm

from experiments.config.compose import hydra_started, quoted, typed, with_models
from experiments.errors import ConfigError, one_line
from experiments.launch import slurm as cluster
from experiments.launch.worker_pool import end_with_parent
from experiments.metric_names import classifier_title
from experiments.runtime.console import Say
from experiments.runtime.signals import Interrupted, passed_on, worker_signals
from experiments.storage.results import read_run

_LOCAL = "joblib"  # whose processes are children of this one
_PACKAGES = {
    _LOCAL: "hydra-joblib-launcher",
    **dict.fromkeys(cluster.LAUNCHERS, "hydra-submitit-launcher"),
}


@dataclass(frozen=True)
class Start:
    """A run to be started: its name for people, what ``crl train`` would take for it alone, where
    it lies."""

    title: str
    arguments: tuple[str, ...]
    path: Path


@contextmanager
def launcher(
    runs: Sequence[Start], options: Sequence[str], folder: Path, say: Say, progress: bool = True
) -> Iterator[Callable[[], dict[str, str]]]:
    """A function that starts the runs and waits for them: {title: why it failed, in one line},
    empty if none did.

    ``options`` (``hydra/launcher=...``, ``hydra.launcher.*``) choose and set up the launcher; what
    it leaves (submitit: the jobs' logs) lies in ``folder``. ``progress``: one bar over all runs
    where there is a terminal, else a line a run. Raises ConfigError, with nothing written, for a
    launcher that is not there or cannot be set up so.
    """
    with hydra_started(options):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        name, config = _chosen(hydra, options, folder)
        threads = _threads(config, name, len(runs))
        submitted = name in cluster.LAUNCHERS
        free = [run for run in runs if not (submitted and _in_use(run))]
        bar = progress and name != "basic" and sys.stderr.isatty()
        task = _Task(
            tuple(run.title for run in free), name, _nothing if bar and not submitted else say
        )
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
        chosen = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task, config=config
        )
        overrides = [_with_threads(tuple(with_models(run.arguments)), threads) for run in free]

        def start() -> dict[str, str]:
            failures = {
                run.title: f"{run.path} is in use by another crl process; wait for it"
                for run in runs
                if run not in free
            }
            if not free:
                return failures
            watched = _bar(free) if bar else _lines(free, say) if submitted else nullcontext()
            before = [
                _stamp(run) for run in free
            ]  # force=true: what is there is another run's result
            meanwhile = (
                cluster.every_job_answers()
                if submitted
                else passed_on()
                if name == _LOCAL
                else nullcontext()
            )
            try:
                with watched, meanwhile:
                    reasons = [_reason(job) for job in chosen.launch(overrides, initial_job_idx=0)]
            except KeyboardInterrupt:
                if name == cluster.SLURM:
                    say(
                        "the jobs go on without this command (squeue --me lists them, scancel ends them)"
                    )
                raise
            except (
                Exception
            ) as error:  # a worker that was killed, a queue that refused: what is complete is kept
                gave_up = f"the launcher gave up: {one_line(error)}"
                reasons = [
                    None if _is_new(run, old) else gave_up
                    for run, old in zip(free, before, strict=True)
                ]
            return failures | {
                run.title: why for run, why in zip(free, reasons, strict=True) if why is not None
            }

        yield start


def _chosen(hydra: Hydra, options: Sequence[str], folder: Path) -> tuple[str, DictConfig]:
    """(its name, Hydra's own options, by which it starts the runs and writes nothing). Raises
    ConfigError."""
    for override in OverridesParser.create(hydra.config_loader).parse_overrides(list(options)):
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line}: a launcher and its options cannot be swept")
    name, installed = "basic", hydra.config_loader.get_group_options("hydra/launcher")
    for option in options:
        key, _, value = option.lstrip("+~").partition("=")
        if key == "hydra/launcher":
            name = value
            if name in _PACKAGES and name not in installed:
                raise ConfigError(f"{option}: not installed; pip install {_PACKAGES[name]}")
            if name not in installed:
                known = ", ".join(sorted({*installed, *_PACKAGES}))
                raise ConfigError(f"{option}: no such launcher; choose one of {known}")
    quiet = [
        f"hydra.sweep.dir={quoted(folder)}",
        "hydra.sweep.subdir=.",
        "hydra.output_subdir=null",
    ]
    quiet += ["hydra/job_logging=none", "hydra/hydra_logging=none"]
    given = [*cluster.defaults(name), *options, *quiet]
    config = hydra.compose_config("train", given, RunMode.MULTIRUN, with_log_configuration=False)
    if name in cluster.LAUNCHERS:
        cluster.prepare(name, config.hydra.launcher)
    return name, config


def _threads(config: DictConfig, name: str, runs: int) -> int | None:
    """The threads of each run; None where the launcher does not say how many run side by side.

    On one machine they are together as many as there are cores, whose number becomes part of the
    options: runs with more slow each other down many times. (For what reads OMP_NUM_THREADS and the
    like, joblib divides in the same way.)
    """
    options = config.hydra.launcher
    if name in cluster.LAUNCHERS:
        return cluster.threads(options)
    if "n_jobs" not in options:
        return None
    from joblib import cpu_count, effective_n_jobs

    if options.n_jobs == 0:
        raise ConfigError(
            "hydra.launcher.n_jobs: 0 runs at a time are none; give a number, or -1 for one a core"
        )
    with read_write(config):
        options.n_jobs = (
            min(cpu_count(), max(1, runs))
            if options.n_jobs == -1
            else effective_n_jobs(options.n_jobs)
        )
    return max(1, cpu_count() // options.n_jobs)


def _with_threads(arguments: tuple[str, ...], threads: int | None) -> list[str]:
    asked = any(argument.lstrip("+").startswith("runtime.threads=") for argument in arguments)
    return [*arguments, *([] if threads is None or asked else [f"runtime.threads={threads}"])]


def _in_use(run: Start) -> bool:
    """Whether a process has the run in its hands, perhaps a job of an earlier start: another would
    queue for nothing."""
    path = run.path / ".lock"
    if not path.exists():
        return False
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # the run itself will say what is wrong with its folder
        return False


@dataclass(frozen=True)
class _Task:
    """What Hydra calls for each run, here, in a process of its own or in a job of a cluster: says
    how it ended, in one line.

    Returns why the run failed, or None: a job that raised would make Hydra drop the results of the
    others.
    """

    titles: tuple[str, ...]
    launcher: str
    say: Say

    def __call__(self, config: DictConfig) -> str | None:
        if self.launcher == _LOCAL:
            end_with_parent()
        job = HydraConfig.get()
        options = typed(config)
        options.runtime.progress = options.runtime.progress and self.launcher == "basic"
        head = _head(self.titles, job.job.num)
        try:
            with worker_signals if self.launcher == _LOCAL else nullcontext():
                from experiments.run import run

                log = (
                    self.say if self.launcher in cluster.LAUNCHERS else _nothing
                )  # a job has a log of its own
                result = run(options, ["crl", "train", *job.overrides.task], log)
        except Interrupted as error:
            if self.launcher == "basic":
                raise
            return f"ended by {error}"
        except Exception as error:
            self.say(f"{head}: failed")
            return one_line(error)
        self.say(f"{head}: {_score(result)}")
        return None


def _nothing(line: str) -> None:
    pass


def _head(titles: Sequence[str], number: int) -> str:
    return f"[{number + 1}/{len(titles)}] {titles[number]}"


def _score(result: dict[str, Any]) -> str:
    name, value = next(
        item for item in result["metrics"].items() if item[0].startswith("test.mean.")
    )
    doubts = (
        f", {len(found)} warning{'s' * (len(found) > 1)}" if (found := result["warnings"]) else ""
    )
    return f"{classifier_title(name)} {100 * value:.1f} %, trained in {result['timing']['train_seconds']:.0f} s{doubts}"


def _reason(job: JobReturn) -> str | None:
    try:
        return job.return_value
    except Exception as error:
        return one_line(error)


@contextmanager
def _bar(runs: Sequence[Start]) -> Iterator[None]:
    with (
        tqdm(total=len(runs), desc="runs", unit="run") as bar,
        _completed(runs, lambda number: bar.update()),
    ):
        yield


@contextmanager
def _lines(runs: Sequence[Start], say: Say) -> Iterator[None]:
    titles = [run.title for run in runs]

    def line(number: int) -> None:
        with suppress(ConfigError):  # of a damaged run, a later step will say so
            if (run := read_run(runs[number].path)) is not None:
                say(f"{_head(titles, number)}: {_score(run.result)}")

    with _completed(runs, line):
        yield


@contextmanager
def _completed(runs: Sequence[Start], seen: Callable[[int], object]) -> Iterator[None]:
    """Calls ``seen`` with the number of each run whose result appears: no launcher tells how far it
    is."""
    ended, before = Event(), {number: _stamp(run) for number, run in enumerate(runs)}

    def look() -> None:
        for number in [number for number, old in before.items() if _is_new(runs[number], old)]:
            del before[number]
            seen(number)

    def watch() -> None:
        while not ended.wait(0.5):
            look()
        look()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _is_new(run: Start, stamp: int | None) -> bool:
    """Whether a result has come since that stamp was taken."""
    return _stamp(run) not in (None, stamp)


def _stamp(run: Start) -> int | None:
    try:
        return (run.path / "result.json").stat().st_mtime_ns
    except OSError:
        return None
