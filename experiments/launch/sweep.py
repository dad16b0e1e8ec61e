"""A sweep: every combination of the options that were given several values, each a run in its own
folder.

Hydra's sweeper is left out: it would launch complete runs too. Free of torch until a run starts.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.config.compose import combinations, compose_config
from experiments.config.identity import option_value, run_path
from experiments.config.messages import is_launcher_option
from experiments.config.schema import GROUPS, Config
from experiments.errors import ConfigError
from experiments.launch.hydra_launchers import Start, launcher
from experiments.runtime.console import Say
from experiments.storage.manifest import SUFFIX, Cell, Manifest, Study, write_manifest
from experiments.storage.results import read_run


@dataclass(frozen=True)
class Job:
    """A run of the sweep: what ``crl train`` would take for it alone, its swept options, where it
    lies."""

    arguments: tuple[str, ...]
    title: str
    labels: dict[str, Any]
    config: Config
    path: Path


@dataclass(frozen=True)
class Sweep:
    """``launcher``: the options that choose and set up Hydra's launcher; ``folder``: where the
    manifest lies."""

    jobs: tuple[Job, ...]
    launcher: tuple[str, ...]
    folder: Path
    manifest: Manifest


def plan(arguments: Sequence[str], command: Sequence[str]) -> Sweep:
    """Every run of a sweep, composed and checked; nothing is written. Raises ConfigError.

    The sweep's folder, ``<output_dir>/sweeps/<hash8>``, is named after the set of its runs: the
    same command finds it again. command is recorded.
    """
    launcher = tuple(
        argument for argument in arguments if is_launcher_option(argument.lstrip("+~"))
    )
    swept, combined = combinations([argument for argument in arguments if argument not in launcher])
    jobs: dict[Path, Job] = {}  # a run that is named twice runs once
    for chosen in combined:
        job = _job(chosen, swept)
        same = jobs.setdefault(job.path, job)
        if same.labels != job.labels:
            raise ConfigError(
                f"{same.title} and {job.title} are one run: what is swept must change the result"
            )
    outputs = {job.config.output_dir for job in jobs.values()}
    if len(outputs) > 1:
        raise ConfigError(
            "output_dir: a sweep has one; runs of different options have folders of their own in it"
        )
    identity = json.dumps(sorted("/".join(path.parts[-2:]) for path in jobs))
    folder = (
        Path(outputs.pop()).expanduser()
        / "sweeps"
        / hashlib.sha256(identity.encode()).hexdigest()[:8]
    )
    title = " ".join(
        [
            "sweep",
            *(
                argument
                for argument in arguments
                if argument.lstrip("+").partition("=")[0] in swept
            ),
        ]
    )
    manifest = Manifest(title, tuple(command), _studies(list(jobs.values())))
    return Sweep(tuple(jobs.values()), launcher, folder, manifest)


def _job(arguments: list[str], swept: list[str]) -> Job:
    config = compose_config(arguments)
    if config.run_dir is not None:
        raise ConfigError(
            "run_dir: a sweep has many runs, each in its own folder; set output_dir instead"
        )
    if config.runtime.devices > 1:
        raise ConfigError(
            "runtime.devices: each run of a sweep takes one; only a crl train by itself takes several"
        )
    values = {
        name: value
        for name, _, value in (argument.lstrip("+").partition("=") for argument in arguments)
    }
    labels = {name: _label(name, values[name], config) for name in swept if name != "seed"}
    title = " ".join(f"{name}={values[name]}" for name in swept) or f"seed={config.seed}"
    return Job(tuple(arguments), title, labels, config, run_path(config))


def _label(name: str, text: str, config: Config) -> Any:
    """The value of a swept option as the configuration has it; of a group, the choice, with the
    model that it names."""
    if name in GROUPS:
        choice = getattr(config, name).name
        return text if text.startswith(f"{choice}:") else choice
    return option_value(config, name, text)


def _studies(jobs: Sequence[Job]) -> tuple[Study, ...]:
    """A study a data set; a cell, the seeds of one combination."""
    cells: dict[str, dict[str, list[Job]]] = {}
    for job in jobs:
        cells.setdefault(job.config.dataset.name, {}).setdefault(json.dumps(job.labels), []).append(
            job
        )
    return tuple(
        Study(
            "sweep",
            dataset,
            tuple(Cell(same[0].labels, tuple(job.path for job in same)) for same in found.values()),
        )
        for dataset, found in cells.items()
    )


def launch(sweep: Sweep, say: Say) -> dict[str, str]:
    """Start every run that is not complete: {title: why it failed, in one line}, empty if none did.

    The manifest is written before the first run starts. Raises ConfigError, with nothing written,
    for a launcher that is not there or a damaged result.
    """
    pending = [job for job in sweep.jobs if job.config.force or read_run(job.path) is None]
    runs = [Start(job.title, job.arguments, job.path) for job in pending]
    progress = all(job.config.runtime.progress for job in pending)
    with launcher(runs, sweep.launcher, sweep.folder, say, progress) as start:
        _write(sweep)
        complete = (
            f", {len(sweep.jobs) - len(pending)} of them complete already"
            if len(pending) < len(sweep.jobs)
            else ""
        )
        say(f"sweep of {len(sweep.jobs)} runs{complete}: {sweep.folder}")
        return start()


def _write(sweep: Sweep) -> None:
    try:
        write_manifest(sweep.folder / f"sweep{SUFFIX}", sweep.manifest)
    except OSError as error:
        raise ConfigError(
            f"{sweep.folder} cannot be written ({error.strerror}); choose a writable output_dir"
        ) from error
