"""A sweep: every combination of the options that were given several values, each a run in its own folder.

The runs go through Hydra's launchers, so that one after the other (``basic``), side by side (``joblib``) and on a
cluster (``submitit_slurm``) differ in one option. Hydra's sweeper is left out: it would launch complete runs too. Free of
torch until a run starts.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, read_write
from tqdm import tqdm

from data.errors import DataError
from experiments.config import combinations, compose_config, hydra_started, is_launcher_option, quoted, run_path
from experiments.errors import ConfigError, RunError
from experiments.interrupts import Interrupted, passed_on, told
from experiments.results import Run, metric_title, read_run, summarise
from experiments.schema import SCHEMAS
from experiments.studies import SUFFIX, Cell, Manifest, Study, write_manifest

Say = Callable[[str], None]

_PACKAGES = {
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
}
_CLASSIFIERS = {"test.mean.": "mu", "test.linear.": "TR"}


@dataclass(frozen=True)
class Job:
    """A run of the sweep: what ``crl train`` would take for it alone, its swept options, where it lies."""

    arguments: tuple[str, ...]
    title: str
    labels: dict[str, Any]
    config: DictConfig
    path: Path


@dataclass(frozen=True)
class Sweep:
    """``launcher``: the options that choose and set up Hydra's launcher; ``folder``: where the manifest lies."""

    jobs: tuple[Job, ...]
    launcher: tuple[str, ...]
    folder: Path
    manifest: Manifest


def plan(arguments: Sequence[str], command: Sequence[str]) -> Sweep:
    """Every run of a sweep, composed and checked; nothing is written. Raises ConfigError.

    The sweep's folder, ``<output_dir>/sweeps/<hash8>``, is named after the set of its runs: the same command finds it
    again. command is recorded.
    """
    launcher = tuple(argument for argument in arguments if is_launcher_option(argument.lstrip("+~")))
    swept, combined = combinations([argument for argument in arguments if argument not in launcher])
    jobs: dict[Path, Job] = {}  # a run that is named twice runs once
    for chosen in combined:
        job = _job(chosen, swept)
        same = jobs.setdefault(job.path, job)
        if same.labels != job.labels:
            raise ConfigError(f"{same.title} and {job.title} are one run: what is swept must change the result")
    outputs = {job.config.output_dir for job in jobs.values()}
    if len(outputs) > 1:
        raise ConfigError("output_dir: a sweep has one; runs of different options have folders of their own in it")
    identity = json.dumps(sorted("/".join(path.parts[-2:]) for path in jobs))
    folder = Path(outputs.pop()).expanduser() / "sweeps" / hashlib.sha256(identity.encode()).hexdigest()[:8]
    title = " ".join(["sweep", *(argument for argument in arguments if argument.lstrip("+").partition("=")[0] in swept)])
    manifest = Manifest(title, tuple(command), _studies(list(jobs.values())))
    return Sweep(tuple(jobs.values()), launcher, folder, manifest)


def _job(arguments: list[str], swept: list[str]) -> Job:
    config = compose_config(arguments)
    if config.run_dir is not None:
        raise ConfigError("run_dir: a sweep has many runs, each in its own folder; set output_dir instead")
    values = {name: value for name, _, value in (argument.lstrip("+").partition("=") for argument in arguments)}
    labels = {name: _label(name, values[name], config) for name in swept if name != "seed"}
    title = " ".join(f"{name}={values[name]}" for name in swept) or f"seed={config.seed}"
    return Job(tuple(arguments), title, labels, config, run_path(config))


def _label(name: str, text: str, config: DictConfig) -> Any:
    """The value of a swept option as the configuration has it; of a group, the choice."""
    if name in SCHEMAS:
        return config[name].get("name", text)
    value = OmegaConf.select(config, name, default=text)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _studies(jobs: Sequence[Job]) -> tuple[Study, ...]:
    """A study a data set; a cell, the seeds of one combination."""
    cells: dict[str, dict[str, list[Job]]] = {}
    for job in jobs:
        cells.setdefault(job.config.dataset.name, {}).setdefault(json.dumps(job.labels), []).append(job)
    return tuple(
        Study("sweep", dataset, tuple(Cell(same[0].labels, tuple(job.path for job in same)) for same in found.values()))
        for dataset, found in cells.items()
    )


def launch(sweep: Sweep, say: Say) -> dict[str, str]:
    """Start every run that is not complete: {title: why it failed, in one line}, empty if none did.

    The manifest is written before the first run starts. Raises ConfigError, with nothing written, for a launcher that is
    not there or a damaged result.
    """
    pending = [job for job in sweep.jobs if job.config.force or read_run(job.path) is None]
    with hydra_started(sweep.launcher) as hydra:
        config = _launcher_config(hydra, sweep)
        parallel = config.hydra.runtime.choices["hydra/launcher"] != "basic"
        threads = _divide_cores(config, len(sweep.jobs))
        bar = parallel and sys.stderr.isatty() and all(job.config.runtime.progress for job in pending)
        task = _Task(tuple(job.title for job in pending), parallel, _nothing if bar else say)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
        launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
        _write(sweep)
        complete = f", {len(sweep.jobs) - len(pending)} of them complete already" if len(pending) < len(sweep.jobs) else ""
        say(f"sweep of {len(sweep.jobs)} runs{complete}: {sweep.folder}")
        if not pending:
            return {}
        with _progress(pending) if bar else nullcontext():
            try:
                with passed_on() if threads is not None else nullcontext():  # to processes of this machine
                    arguments = [[*job.arguments, *_threads(job, threads)] for job in pending]
                    returned = launcher.launch(arguments, initial_job_idx=0)
                reasons = [_reason(job) for job in returned]
            except Exception as error:  # a worker that was killed, a queue that refused: what is complete is kept
                reasons = [None if read_run(job.path) else f"the launcher gave up: {_line(error)}" for job in pending]
    return {job.title: reason for job, reason in zip(pending, reasons, strict=True) if reason is not None}


def _launcher_config(hydra: Hydra, sweep: Sweep) -> DictConfig:
    """Hydra's own options, by which it starts the runs and writes nothing. Raises ConfigError for a launcher it lacks."""
    installed = hydra.config_loader.get_group_options("hydra/launcher")
    for option in sweep.launcher:
        name, _, value = option.lstrip("+~").partition("=")
        if name == "hydra/launcher" and value not in installed and "," not in value:
            if value in _PACKAGES:
                raise ConfigError(f"{option}: not installed; pip install {_PACKAGES[value]}")
            raise ConfigError(f"{option}: no such launcher; choose one of {', '.join(sorted({*installed, *_PACKAGES}))}")
        if name.endswith("_target_"):
            raise ConfigError(f"{option}: a launcher is chosen with hydra/launcher=NAME")
    for override in OverridesParser.create(hydra.config_loader).parse_overrides(list(sweep.launcher)):
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line}: a launcher and its options cannot be swept")
    place = quoted(sweep.folder)
    quiet = [f"hydra.sweep.dir={place}", "hydra.sweep.subdir=.", "hydra.output_subdir=null"]
    quiet += ["hydra/job_logging=none", "hydra/hydra_logging=none"]
    return hydra.compose_config("train", [*sweep.launcher, *quiet], RunMode.MULTIRUN, with_log_configuration=False)


def _divide_cores(config: DictConfig, jobs: int) -> int | None:
    """The threads of each run where a launcher runs ``n_jobs`` of them on this machine, else None.

    Together they are as many as there are cores: runs with more slow each other down many times. (For what reads
    OMP_NUM_THREADS and the like, joblib divides in the same way.)
    """
    options = config.hydra.launcher
    if "n_jobs" not in options:
        return None
    from joblib import cpu_count, effective_n_jobs

    if options.n_jobs == 0:
        raise ConfigError("hydra.launcher.n_jobs: 0 runs at a time are none; give a number, or -1 for one a core")
    with read_write(config):
        options.n_jobs = min(cpu_count(), jobs) if options.n_jobs == -1 else effective_n_jobs(options.n_jobs)
    return max(1, cpu_count() // options.n_jobs)


def _threads(job: Job, threads: int | None) -> list[str]:
    return [f"runtime.threads={threads}"] if threads is not None and job.config.runtime.threads is None else []


def _write(sweep: Sweep) -> None:
    try:
        write_manifest(sweep.folder / f"sweep{SUFFIX}", sweep.manifest)
    except OSError as error:
        raise ConfigError(f"{sweep.folder} cannot be written ({error.strerror}); choose a writable output_dir") from error


@dataclass(frozen=True)
class _Task:
    """What Hydra calls for each job, here or in a process of its own: says how it ended, in one line.

    Returns why the run failed, or None: a job that raised would make Hydra drop the results of the others.
    """

    titles: tuple[str, ...]
    parallel: bool
    say: Say

    def __call__(self, config: DictConfig) -> str | None:
        if self.parallel:
            _end_with_parent()
        job = HydraConfig.get()
        OmegaConf.resolve(config)
        config.runtime.progress = config.runtime.progress and not self.parallel
        head = f"[{job.job.num + 1}/{len(self.titles)}] {self.titles[job.job.num]}"
        try:
            with told if self.parallel else nullcontext():
                from experiments.run import run

                result = run(config, ["crl", "train", *job.overrides.task], _nothing)
        except Interrupted as error:
            if not self.parallel:
                raise
            return f"ended by {error}"
        except Exception as error:
            self.say(f"{head}: failed")
            return _line(error)
        name, value = next(item for item in result["metrics"].items() if item[0].startswith("test.mean."))
        seconds = result["timing"]["train_seconds"]
        self.say(f"{head}: {_heading(name)} {100 * value:.1f} %, trained in {seconds:.0f} s")
        return None


@cache
def _end_with_parent() -> None:
    """Once a process: nobody would read the outcome of an orphan, and its lock would keep a second start out."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _nothing(line: str) -> None:
    pass


def _reason(job: JobReturn) -> str | None:
    try:
        return job.return_value
    except Exception as error:
        return _line(error)


def _line(error: Exception) -> str:
    """What went wrong, in one line; with its kind where it is none of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ConfigError | DataError | RunError) else f"{type(error).__name__}: {text}"


@contextmanager
def _progress(jobs: Sequence[Job]) -> Iterator[None]:
    """A bar over runs in other processes, fed by the results that appear: no launcher tells how far it is."""
    ended, before = Event(), [_stamp(job) for job in jobs]

    def watch() -> None:
        while not ended.wait(0.5):
            bar.update(sum(_stamp(job) not in (None, old) for job, old in zip(jobs, before, strict=True)) - bar.n)

    with tqdm(total=len(jobs), desc="runs", unit="run") as bar:
        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _stamp(job: Job) -> int | None:
    try:
        return (job.path / "result.json").stat().st_mtime_ns
    except OSError:
        return None


def sweep_table(manifest: Manifest) -> str:
    """A row a combination: mean ± standard deviation over its n complete runs, in %."""
    cells = [cell for study in manifest.studies for cell in study.cells]
    finished = [[run for path in cell.runs if (run := read_run(path))] for cell in cells]
    names = list(dict.fromkeys(name for runs in finished for run in runs for name in run.metrics if _heading(name)))
    rows = [[*cells[0].labels, "n", *map(_heading, names)]]
    for cell, runs in zip(cells, finished, strict=True):
        labels = [value if isinstance(value, str) else json.dumps(value) for value in cell.labels.values()]
        rows.append([*labels, str(len(runs)), *(_mean_and_std(runs, name) for name in names)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("   ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _heading(metric: str) -> str:
    """test.mean.avg2 -> mu AVG-2, test.linear.top1 -> TR TOP-1; empty for what the table leaves out."""
    for prefix, classifier in _CLASSIFIERS.items():
        if metric.startswith(prefix):
            return f"{classifier} {metric_title(metric.removeprefix(prefix))}"
    return ""


def _mean_and_std(runs: Sequence[Run], metric: str) -> str:
    values = [100 * run.metrics[metric] for run in runs if metric in run.metrics]
    if not values:
        return "-"
    found = summarise(values)
    return f"{found.mean:.1f}" if found.std is None else f"{found.mean:.1f} ± {found.std:.1f}"
