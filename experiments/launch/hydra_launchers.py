"""The launchers of Hydra: ``hydra/launcher=NAME`` and ``hydra.launcher.OPTION=VALUE``.

``basic`` is :class:`experiments.launch.launch.OneByOne`, ``submitit_*`` is
:class:`experiments.launch.slurm.SubmititJobs`; ``joblib`` and any other go through Hydra here.
Free of torch.
"""

from collections.abc import Generator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks  # HydraContext wants one, and no other makes one
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, read_write

from experiments.config.compose import hydra_started, quoted, spelled_out
from experiments.errors import ConfigError, one_line
from experiments.launch import slurm
from experiments.launch.do_run import do_run_for_launcher, say_nothing
from experiments.launch.launch import Launcher, OneByOne, Outcome
from experiments.launch.progress_bar import is_new, stamp
from experiments.launch.run_spec import RunSpec
from experiments.launch.worker_pool import end_with_parent
from experiments.runtime.console import Say
from experiments.runtime.signals import Interrupted, passed_on, worker_signals

_BASIC, _JOBLIB = "basic", "joblib"
_PACKAGES = {
    _JOBLIB: "hydra-joblib-launcher",
    **dict.fromkeys(slurm.LAUNCHERS, "hydra-submitit-launcher"),
}


def choose_launcher(options: Sequence[str], folder: Path, runs: int, say: Say) -> Launcher:
    """Return the launcher that the options choose and set up; nothing is written.

    What a launcher leaves (the logs of jobs) lies in ``folder``. ``runs`` is how many there are.
    Raises ConfigError for a launcher that is not installed, or not with these options.
    """
    if not options:
        return OneByOne()
    with hydra_started(options) as hydra:
        name = _chosen_name(options, hydra.config_loader)
        # Hydra writes nothing: neither logs nor the overrides of each run.
        quiet = [f"hydra.sweep.dir={quoted(folder)}", "hydra.sweep.subdir=."]
        quiet += ["hydra.output_subdir=null"]
        quiet += ["hydra/job_logging=none", "hydra/hydra_logging=none"]
        overrides = [*slurm.defaults(name), *options, *quiet]
        config = hydra.config_loader.load_configuration("train", overrides, RunMode.MULTIRUN)
        if name == _BASIC:
            return OneByOne()
        if name in slurm.LAUNCHERS:
            return slurm.SubmititJobs(name, config.hydra.launcher, say)
        return HydraLauncher(name, config, hydra.config_loader, runs)


def _chosen_name(options: Sequence[str], loader: ConfigLoader) -> str:
    """Return the launcher's name. Raises ConfigError if it is unknown, or an option is swept."""
    for override in OverridesParser.create(loader).parse_overrides(list(options)):
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line}: a launcher and its options cannot be swept")
    name, installed = _BASIC, loader.get_group_options("hydra/launcher")
    for option in options:
        key, _, value = option.lstrip("+~").partition("=")
        if key == "hydra/launcher":
            name = value
            if name in _PACKAGES and name not in installed:
                raise ConfigError(f"{option}: not installed; pip install {_PACKAGES[name]}")
            if name not in installed:
                known = ", ".join(sorted({*installed, *_PACKAGES}))
                raise ConfigError(f"{option}: no such launcher; choose one of {known}")
    return name


class HydraLauncher:
    """A launcher of Hydra's, which hears of the outcomes when all runs have ended."""

    def __init__(self, name: str, config: DictConfig, loader: ConfigLoader, runs: int) -> None:
        self._name = name
        self.side_by_side, self._threads = _share_cores(config, runs)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            task_function=_Task(in_child=name == _JOBLIB),
            config=config,
        )

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Do the runs. If a process dies and the launcher gives up, complete runs still count."""
        overrides = [
            list(spelled_out(run.with_threads(self._threads).overrides))  # Hydra knows no shorthand
            for run in runs
        ]
        before = [stamp(run.folder / "result.json") for run in runs]
        try:
            with passed_on() if self._name == _JOBLIB else nullcontext():
                answers = [*map(_answer, self._launcher.launch(overrides, initial_job_idx=0))]
        except Exception as error:
            answers = [
                None if is_new(run.folder / "result.json", old) else gave_up(error)
                for run, old in zip(runs, before, strict=True)
            ]
        yield from (Outcome(number, answer) for number, answer in enumerate(answers))


class _Task:
    """What Hydra calls for each run. It returns why the run failed: an error would end them all."""

    def __init__(self, in_child: bool) -> None:
        self._in_child = in_child  # a process that does one run after another

    def __call__(self, config: DictConfig) -> str | None:
        overrides = HydraConfig.get().overrides.task
        if not self._in_child:
            return do_run_for_launcher(overrides, say_nothing)
        end_with_parent()
        try:
            with worker_signals:
                return do_run_for_launcher(overrides, say_nothing)
        except Interrupted as error:
            return f"ended by {error}"


def gave_up(error: Exception) -> str:
    """Why a run was not done: its launcher could not go on."""
    return f"the launcher gave up: {one_line(error)}"


def _answer(job: JobReturn) -> Any:
    try:
        return job.return_value
    except Exception as error:
        return one_line(error)


def _share_cores(config: DictConfig, runs: int) -> tuple[int | None, int | None]:
    """Return (runs at a time, CPU threads of each), None if the launcher does not say.

    Together the runs have as many threads as there are cores: with more they slow each other down
    many times. (joblib divides in the same way for libraries that read OMP_NUM_THREADS.) The
    number of runs at a time becomes part of the options.
    """
    options = config.hydra.launcher
    if "n_jobs" not in options:
        return None, None
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
    return options.n_jobs, max(1, cpu_count() // options.n_jobs)
