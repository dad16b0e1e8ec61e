"""Carry out a plan: do the runs that are not complete, and write the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crl.experiments.config.quoting import quoted
from crl.experiments.errors import ConfigError, RunError
from crl.experiments.launch.complete import CompleteCheck
from crl.experiments.launch.hydra_launchers import choose_launcher
from crl.experiments.launch.launch import Launcher, launch
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.launch.worker_pool import WorkerPool, usual_workers
from crl.experiments.reproduction.studies import plan
from crl.experiments.runtime.console import Say
from crl.experiments.storage.manifest import SUFFIX, Manifest, Study, read_manifest, write_manifest
from crl.experiments.storage.results import read_run


@dataclass(frozen=True)
class Request:
    """The options of `crl reproduce`.

    ``only``: studies and data sets (empty: all). ``roots``: more overrides for a data set;
    ``common``: overrides of every run. ``used_by``: an option that gave ``roots`` -> the data sets
    that can use it. ``workers``: processes side by side (None: one a core, or one where there is a
    CUDA device). ``launcher``: options of one of Hydra's launchers, which then does the runs
    instead.
    """

    scale: str = "quick"
    only: tuple[str, ...] = ()
    seeds: int = 3
    workers: int | None = None
    output_dir: Path = Path("outputs")
    roots: Mapping[str, Sequence[str]] = field(default_factory=dict)
    used_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    common: tuple[str, ...] = ()
    launcher: tuple[str, ...] = ()


def reproduce(request: Request, command: Sequence[str], say: Say) -> dict[str, str]:
    """Do the missing runs of the plan; return {title: why it failed}, empty if none did.

    Raises ConfigError before anything is started if the request cannot be planned.
    """
    place = (
        [f"output_dir={quoted(request.output_dir)}"]
        if request.output_dir != Path("outputs")
        else []
    )
    studies, runs = plan(
        request.scale, request.only, request.seeds, request.roots, [*request.common, *place]
    )
    _check_used(request, studies)
    check = CompleteCheck(say)
    missing = [run for run in runs if not _is_complete(run, check)]
    complete = len(runs) - len(missing)
    launcher = _launcher(request, missing, say)
    say(f"{len(runs)} runs in {len(studies)} studies, {complete} complete already")
    manifest = Manifest(f"scale={request.scale}", tuple(command), tuple(studies))
    path = request.output_dir / f"reproduce-{request.scale}{SUFFIX}"
    write_manifest(path, _merged(path, manifest))
    return launch(missing, launcher, say, complete)


def _check_used(request: Request, studies: Sequence[Study]) -> None:
    """Raise ConfigError for an option that no planned data set uses."""
    planned = dict.fromkeys(study.dataset for study in studies)
    for option, datasets in request.used_by.items():
        if not planned.keys() & set(datasets):
            raise ConfigError(
                f"{option}: only {' and '.join(datasets)} can use it, but these runs are on "
                f"{', '.join(planned)}; leave it out, or choose another scale or only"
            )


def _launcher(request: Request, runs: Sequence[RunSpec], say: Say) -> Launcher:
    if request.launcher:
        return choose_launcher(request.launcher, request.output_dir, len(runs), say)
    workers = request.workers or usual_workers(runs)
    return WorkerPool(workers, request.output_dir / f"reproduce-{request.scale}.log")


def _merged(path: Path, new: Manifest) -> Manifest:
    """The studies that only an earlier call planned, then the new ones."""
    planned = {(study.name, study.dataset) for study in new.studies}
    old = read_manifest(path) if path.exists() else Manifest("", (), ())
    earlier = [
        replace(study, command=study.command or old.command)
        for study in old.studies
        if (study.name, study.dataset) not in planned
    ]
    return Manifest(new.title, new.command, (*earlier, *new.studies))


def finish(failures: Mapping[str, str]) -> None:
    """Raise RunError if runs failed; it names them, and each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in failures.items():
        by_reason.setdefault(reason, []).append(name)
    if by_reason:
        named = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
        raise RunError(f"{len(failures)} run(s) failed; the same command tries them again: {named}")


def _is_complete(run: RunSpec, check: CompleteCheck) -> bool:
    try:
        stored = read_run(run.folder, run.evaluation)
    except ConfigError:
        return False  # the run itself says what is damaged
    if stored is not None:
        check.check_files(run, stored.result)
    return stored is not None
