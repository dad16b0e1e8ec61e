"""Runs as submitit's jobs: on a SLURM cluster, or in local processes. Imports no torch.

The options are those of Hydra's submitit launcher. Its ``launch`` is not used: it raises at the
first job that died, and loses the outcomes of the others, which still run.
"""

import logging
import shutil
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from omegaconf import DictConfig, OmegaConf
from submitit import AutoExecutor, Job
from submitit.core.logger import get_logger
from submitit.helpers import DelayedSubmission

from crl.experiments.errors import ConfigError
from crl.experiments.launch.launch import Outcome, do_run_for_launcher
from crl.experiments.launch.own_modules import started, starting
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.runtime.console import Say
from crl.experiments.storage.lock import is_locked

SLURM = "submitit_slurm"


class SubmititJobs:
    """The launcher that submits each run as a job of its own.

    SLURM's jobs go on without this command. Raises ConfigError for options that do not
    fit a run, and where no job can be submitted.
    """

    side_by_side: int | None = None  # the cluster decides

    def __init__(self, launcher: str, options: DictConfig, say: Say) -> None:
        if (options.nodes, options.tasks_per_node) != (1, 1):
            raise ConfigError(
                "hydra.launcher.nodes, hydra.launcher.tasks_per_node: a run is one process; "
                "leave them at 1"
            )
        if launcher == SLURM and shutil.which("sbatch") is None:
            raise ConfigError(
                f"hydra/launcher={SLURM}: no sbatch here; start it on a machine from which jobs "
                "are submitted"
            )
        self._launcher, self._say = launcher, say
        self._options: dict[str, Any] = dict(OmegaConf.to_container(options, resolve=True))  # type: ignore[arg-type]
        self._threads = threads_of_job(self._options)
        if launcher == SLURM and (cpus := options.cpus_per_task):
            # Since SLURM 22.05 srun does not take this over from sbatch.
            self._options["setup"] = [*(options.setup or []), f"export SRUN_CPUS_PER_TASK={cpus}"]

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Submit the runs, except those that another process, such as an earlier job, works on.

        Raises what submitit raises if the queue refuses them.
        """
        free: dict[int, RunSpec] = {}
        for number, run in enumerate(runs):
            if is_locked(run.folder):
                yield number, f"{run.folder} is in use by another crl process; wait for it"
            else:
                free[number] = run.with_threads(self._threads)
        if not free:
            return
        overrides = [run.overrides for run in free.values()]
        executor = build_executor(self._launcher, self._options)
        with starting():
            jobs = executor.map_array(_Task(tuple(sys.path)), overrides)
        try:
            for number, job in zip(free, jobs, strict=True):
                yield number, why_failed(job)
        except (KeyboardInterrupt, GeneratorExit):
            if self._launcher == SLURM:
                self._say(
                    "the jobs go on without this command "
                    "(squeue --me lists them, scancel ends them)"
                )
            else:
                for job in jobs:
                    job.cancel()
            raise


@dataclass(frozen=True)
class _Task:
    """The function of a job: it does a run. submitit asks for a checkpoint when time is up.

    ``path``: the ``sys.path`` of the command that submits it.
    """

    path: tuple[str, ...] = ()

    def __call__(self, overrides: tuple[str, ...]) -> str | None:
        started(self.path)
        return do_run_for_launcher(overrides, lambda line: print(line, file=sys.stderr, flush=True))

    def checkpoint(self, overrides: tuple[str, ...]) -> DelayedSubmission:
        """Return what goes back into the queue: the same run, which goes on where it was."""
        return DelayedSubmission(self, overrides)


def build_executor(launcher: str, options: dict[str, Any]) -> AutoExecutor:
    """Return submitit's executor with the options of Hydra's launcher, translated as it does."""
    get_logger().setLevel(logging.ERROR)  # else it prints a line whenever sacct fails
    cluster = launcher.removeprefix("submitit_")
    translated = {
        name if hasattr(BaseQueueConf, name) else f"{cluster}_{name}": value
        for name, value in options.items()
        if name not in ("_target_", "submitit_folder", "max_num_timeout")
    }
    limit = {"slurm_max_num_timeout": options["max_num_timeout"]} if launcher == SLURM else {}
    executor = AutoExecutor(options["submitit_folder"], cluster=cluster, **limit)
    executor.update_parameters(**translated)
    return executor


def why_failed(job: Job[str | None]) -> str | None:
    """Wait for a job; return why its run failed, or None. If a job dies, its run has failed."""
    try:
        return job.result()
    except Exception:  # submitit's own, which holds the whole log
        return (
            f"its job {job.job_id} ended without a result (state {job.state}); "
            f"its log: {job.paths.stderr}"
        )


def threads_of_job(options: dict[str, Any]) -> int | None:
    """Return a job's CPU threads: as many as it asks for, else one; None if its GPUs bring CPUs."""
    gpus = any(options.get(name) for name in ("gpus_per_node", "gpus_per_task", "gres"))
    return options["cpus_per_task"] or (None if gpus else 1)
