"""Jobs through submitit, on a SLURM cluster or in processes of their own: what its launcher leaves
to its callers."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, read_write

from experiments.errors import ConfigError

SLURM = "submitit_slurm"
LAUNCHERS = (SLURM, "submitit_local")


def defaults(launcher: str) -> list[str]:
    """Options that fit runs which go on from their checkpoint; the user's win over them."""
    named = ["hydra.launcher.name=crl"] if launcher in LAUNCHERS else []
    return [*named, "hydra.launcher.max_num_timeout=20"] if launcher == SLURM else named


def prepare(launcher: str, options: DictConfig) -> None:
    """Complete the options. Raises ConfigError for jobs that no run can be, and where none can be
    submitted."""
    if (options.nodes, options.tasks_per_node) != (1, 1):
        raise ConfigError(
            "hydra.launcher.nodes, hydra.launcher.tasks_per_node: a run is one process; leave them at 1"
        )
    if launcher == SLURM and shutil.which("sbatch") is None:
        raise ConfigError(
            f"hydra/launcher={SLURM}: no sbatch here; start it on a machine from which jobs are submitted"
        )
    if (
        launcher == SLURM and options.cpus_per_task
    ):  # which srun has not taken over from sbatch since SLURM 22.05
        with read_write(options):
            options.setup = [
                *(options.setup or []),
                f"export SRUN_CPUS_PER_TASK={options.cpus_per_task}",
            ]


def threads(options: DictConfig) -> int | None:
    """CPU threads of a job: as many as it asks for; one where it asks for nothing; None where its
    GPUs bring CPUs along."""
    gpus = any(options.get(name) for name in ("gpus_per_node", "gpus_per_task", "gres"))
    return options.cpus_per_task or (None if gpus else 1)


@contextmanager
def every_job_answers() -> Iterator[None]:
    """Within it, a job that died answers as a failed run does: with why, in one line.

    The launcher asks one job after the other and would raise at the first dead one, while the
    others still run.
    """
    from submitit import Job
    from submitit.core.logger import get_logger

    get_logger().setLevel(
        logging.ERROR
    )  # each time that sacct fails it would say so, on standard output too
    results = Job.results

    def answer(job: Job[Any]) -> Sequence[Any]:
        try:
            return results(job)
        except Exception:  # submitit's own, which hold the whole log
            why = f"its job {job.job_id} ended without a result (state {job.state}); its log: {job.paths.stderr}"
            return [JobReturn(status=JobStatus.COMPLETED, _return_value=why)]

    Job.results = answer  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Job.results = results  # type: ignore[method-assign]
