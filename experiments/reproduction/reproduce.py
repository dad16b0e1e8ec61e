"""Carrying a plan out: what is complete is kept, the rest is run side by side or handed to one of
Hydra's launchers, the manifest says which run is which."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from experiments.config.compose import quoted
from experiments.errors import ConfigError, RunError
from experiments.launch.hydra_launchers import Start, launcher
from experiments.launch.worker_pool import run_side_by_side
from experiments.reproduction.progress_bar import Overall
from experiments.reproduction.studies import Job, plan
from experiments.runtime.console import Say
from experiments.storage.manifest import SUFFIX, Manifest, Study, read_manifest, write_manifest
from experiments.storage.results import read_run


@dataclass(frozen=True)
class Request:
    """What `crl reproduce` was asked for.

    ``only``: studies and data sets (empty: all); ``roots``: further overrides by data set;
    ``common``: overrides of every run; ``workers``: processes side by side, None for one a core, or
    one where there is a CUDA device; ``launcher``: options of one of Hydra's launchers, to which
    the runs are handed instead.
    """

    scale: str = "quick"
    only: tuple[str, ...] = ()
    seeds: int = 3
    workers: int | None = None
    output_dir: Path = Path("outputs")
    roots: Mapping[str, Sequence[str]] = field(default_factory=dict)
    common: tuple[str, ...] = ()
    launcher: tuple[str, ...] = ()


def reproduce(request: Request, command: Sequence[str], say: Say) -> dict[str, str]:
    """Run what is missing of the plan: the names of the runs that failed, with the reasons (empty:
    all are complete).

    Raises ConfigError before anything is started where the request cannot be planned.
    """
    place = (
        [f"output_dir={quoted(request.output_dir)}"]
        if request.output_dir != Path("outputs")
        else []
    )
    studies, jobs = plan(
        request.scale, request.only, request.seeds, request.roots, [*request.common, *place]
    )
    missing = [job for job in jobs if not _complete(job)]
    with _starting(missing, len(jobs) - len(missing), request, say) as start:
        say(
            f"{len(jobs)} runs in {len(studies)} studies, {len(jobs) - len(missing)} complete already"
        )
        _write(request, Manifest(f"scale={request.scale}", tuple(command), tuple(studies)))
        return start() if missing else {}


def _starting(
    missing: list[Job], complete: int, request: Request, say: Say
) -> AbstractContextManager[Callable[[], dict[str, str]]]:
    """What starts the missing runs, waits for them and gives the failures."""
    if not request.launcher:
        return nullcontext(lambda: _side_by_side(missing, complete, request))
    runs = [Start(job.name, job.overrides, job.folder) for job in missing]
    return launcher(runs, request.launcher, request.output_dir, say)


def _write(request: Request, new: Manifest) -> None:
    path = request.output_dir / f"reproduce-{request.scale}{SUFFIX}"
    try:
        write_manifest(path, _merged(path, new))
    except OSError as error:
        raise ConfigError(
            f"{request.output_dir} cannot be written ({error.strerror}); give another output_dir"
        ) from error


def finish(failures: Mapping[str, str]) -> None:
    """Raise RunError that names the runs that failed, each reason once, if any did."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in failures.items():
        by_reason.setdefault(reason, []).append(name)
    if by_reason:
        named = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
        raise RunError(f"{len(failures)} run(s) failed; the same command tries them again: {named}")


def _complete(job: Job) -> bool:
    try:
        return read_run(job.folder) is not None
    except ConfigError:
        return False  # the run itself will say what is damaged


def _merged(path: Path, new: Manifest) -> Manifest:
    """The new studies, and those that an earlier call planned and this one does not."""
    if not path.exists():
        return new
    planned = {(study.name, study.dataset) for study in new.studies}
    kept: list[Study] = [
        s for s in read_manifest(path).studies if (s.name, s.dataset) not in planned
    ]
    return Manifest(new.title, new.command, (*kept, *new.studies)) if kept else new


def _side_by_side(jobs: list[Job], complete: int, request: Request) -> dict[str, str]:
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    workers = min(request.workers or _usual_workers(cores, request.common), len(jobs))
    asked = [
        option.partition("=")[2]
        for option in request.common
        if option.startswith("runtime.threads=")
    ]
    threads = int(asked[-1]) if asked and asked[-1].isdecimal() else max(1, cores // workers)
    log = request.output_dir / f"reproduce-{request.scale}.log"
    overall = Overall(jobs, complete, workers)
    failures = {}
    given = ((key, (*job.overrides, f"runtime.threads={threads}")) for key, job in enumerate(jobs))
    try:
        for outcome in run_side_by_side(given, workers, threads, log, overall.tick):
            overall.ended(outcome.key, outcome.error)
            if outcome.error is not None:
                failures[jobs[outcome.key].name] = outcome.error
    finally:
        overall.close()
    return failures


def _usual_workers(cores: int, common: Sequence[str]) -> int:
    """Small encoders gain more from runs side by side than from threads; runs on one CUDA device
    would share it."""
    if "runtime.device=cpu" in common:
        return cores
    import torch

    return 1 if torch.cuda.is_available() else cores
