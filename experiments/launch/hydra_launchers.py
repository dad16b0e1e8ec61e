"""The launchers of Hydra: ``hydra/launcher=NAME`` and ``hydra.launcher.OPTION=VALUE``.

``basic`` is :class:`crl.experiments.launch.launch.OneByOne`, ``submitit_*`` is
:class:`crl.experiments.launch.slurm.SubmititJobs`; ``joblib`` and any other go through Hydra here.
Imports no torch.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from hydra._internal.callbacks import Callbacks  # HydraContext needs it; no public class fits
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, read_write

from crl.experiments.config.compose import hydra_started
from crl.experiments.config.own_files import OwnFiles, is_place
from crl.experiments.config.quoting import for_hydra, quoted
from crl.experiments.errors import ConfigError, one_line
from crl.experiments.launch.launch import Launcher, OneByOne, Outcome, do_run_for_launcher
from crl.experiments.launch.own_modules import started, starting
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.launch.worker_pool import end_with_parent
from crl.experiments.runtime.console import Say
from crl.experiments.runtime.signals import passed_on, worker_signals

_BASIC, _JOBLIB = "basic", "joblib"
_NAME = "hydra.launcher.name=crl"
_SUBMITIT = {  # for runs that go on from their checkpoint; the user's options win
    "submitit_slurm": [_NAME, "hydra.launcher.max_num_timeout=20"],
    "submitit_local": [_NAME],
}
_PACKAGES = {
    _JOBLIB: "hydra-joblib-launcher",
    **dict.fromkeys(_SUBMITIT, "hydra-submitit-launcher"),
}
_QUIET = (  # Hydra writes neither logs nor the overrides of each run
    "hydra.sweep.subdir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)


def choose_launcher(options: Sequence[str], folder: Path, runs: int, say: Say) -> Launcher:
    """Return the launcher that the options choose and set up; nothing is written.

    The logs of jobs go to ``folder``. ``runs`` is the number of runs. Raises ConfigError for a
    launcher that is not installed, or that does not take these options.
    """
    if not options:
        return OneByOne()
    own = OwnFiles.of(options)
    options = [option for option in options if not is_place(option)]
    with hydra_started(options, own) as loader:
        name = _chosen_name(options, loader)
        place = f"hydra.sweep.dir={quoted(folder)}"
        overrides = [*_SUBMITIT.get(name, []), *options, place, *_QUIET]
        config = loader.load_configuration(own.primary, overrides, RunMode.MULTIRUN)
        if name == _BASIC:
            return OneByOne()
        if name in _SUBMITIT:
            from crl.experiments.launch.slurm import SubmititJobs  # submitit may not be installed

            return SubmititJobs(name, config.hydra.launcher, say)
        launcher = HydraLauncher(name, config, loader, runs, own)
        if launcher.side_by_side == 1:  # joblib would do them in this process too
            return OneByOne(launcher.threads)
        return launcher


def _chosen_name(options: Sequence[str], loader: ConfigLoader) -> str:
    """Return the launcher's name. Raises ConfigError if it is unknown, or an option is swept."""
    for override in OverridesParser.create(loader).parse_overrides(list(options)):
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line}: a launcher and its options cannot be swept")
    installed = loader.get_group_options("hydra/launcher")
    choices = (option.lstrip("+~").partition("=") for option in options)
    name = [_BASIC, *(value for key, _, value in choices if key == "hydra/launcher")][-1]
    if name in _PACKAGES and name not in installed:
        raise ConfigError(f"hydra/launcher={name}: not installed; pip install {_PACKAGES[name]}")
    if name not in installed:
        known = ", ".join(sorted({*installed, *_PACKAGES}))
        raise ConfigError(f"hydra/launcher={name}: no such launcher; choose one of {known}")
    return name


class HydraLauncher:
    """A launcher of Hydra's. It reports the outcomes when all runs have ended."""

    def __init__(
        self, name: str, config: DictConfig, loader: ConfigLoader, runs: int, own: OwnFiles
    ) -> None:
        self._name = name
        self.side_by_side, self.threads = _share_cores(config, runs)
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            task_function=partial(_task_of_child if name == _JOBLIB else _task, own),
            config=config,
        )

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Do the runs."""
        overrides = [
            # No shorthand; where own files are, Hydra has been told.
            list(
                for_hydra([o for o in run.with_threads(self.threads).overrides if not is_place(o)])
            )
            for run in runs
        ]
        with ExitStack() as around:
            if self._name == _JOBLIB:
                around.enter_context(passed_on())
                around.enter_context(starting())
            jobs = self._launcher.launch(overrides, initial_job_idx=0)
        yield from enumerate(map(_reason, jobs))


def _reason(job: JobReturn) -> str | None:
    """Return why a run failed; what Hydra itself raised for it counts too."""
    try:
        return job.return_value
    except Exception as error:
        return one_line(error)


def _task(own: OwnFiles, config: DictConfig) -> str | None:
    """Do one run for Hydra; return why it failed, since an error would end all runs."""
    return do_run_for_launcher(_overrides(own), lambda line: None)


def _overrides(own: OwnFiles) -> list[str]:
    """The overrides of the run that Hydra has composed, and where own files are."""
    return [*own.overrides(), *HydraConfig.get().overrides.task]


def _task_of_child(own: OwnFiles, config: DictConfig) -> str | None:
    """Do :func:`_task` in a child process, which does one run after another."""
    started()
    end_with_parent()
    return do_run_for_launcher(_overrides(own), lambda line: None, worker_signals)


def _share_cores(config: DictConfig, runs: int) -> tuple[int | None, int | None]:
    """Return (runs at a time, CPU threads of each), None if the launcher does not say.

    Together the runs have as many threads as there are cores. More threads make every run many
    times slower. (joblib divides in the same way for libraries that read OMP_NUM_THREADS.) The
    number of runs at a time becomes part of the options.
    """
    options = config.hydra.launcher
    if "n_jobs" not in options:
        return None, None
    if options.n_jobs == 0:
        raise ConfigError(
            "hydra.launcher.n_jobs: 0 starts no run; give a number, or -1 for one run a core"
        )
    import joblib  # not above: a child process of the pool would load NumPy too early

    with read_write(config):
        options.n_jobs = (
            min(joblib.cpu_count(), max(1, runs))
            if options.n_jobs == -1
            else joblib.effective_n_jobs(options.n_jobs)
        )
    return options.n_jobs, max(1, joblib.cpu_count() // options.n_jobs)
