"""A sweep: every combination of the options that have several values, each a run of its own.

Hydra's sweeper is left out because it would start complete runs too. Imports no torch until a run
starts.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from crl.experiments.config.checks import DEVICES_OF_A_SWEEP
from crl.experiments.config.compose import combinations, compose_config
from crl.experiments.config.identity import flat_options
from crl.experiments.config.messages import is_launcher_option
from crl.experiments.config.own_files import OwnFiles
from crl.experiments.config.paths import expanded
from crl.experiments.config.schema import GROUPS, Config
from crl.experiments.errors import ConfigError
from crl.experiments.launch.complete import CompleteCheck, apart
from crl.experiments.launch.hydra_launchers import choose_launcher
from crl.experiments.launch.launch import launch
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.runtime.console import Say
from crl.experiments.storage.manifest import SUFFIX, Cell, Manifest, Study, write_manifest


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep, and its folder, which holds the manifest.

    ``launcher``: the options of Hydra's launcher, and where own configuration files are; ``force``:
    do complete runs again; ``bar``: show one progress bar.
    """

    runs: tuple[RunSpec, ...]
    launcher: tuple[str, ...]
    folder: Path
    manifest: Manifest
    force: bool
    bar: bool


class Combination(NamedTuple):
    """A run, the values of its swept options (the seed aside), and its configuration."""

    run: RunSpec
    labels: dict[str, Any]
    config: Config


def plan_sweep(arguments: Sequence[str], command: Sequence[str]) -> Sweep:
    """Compose and check every run of a sweep; write nothing. Raises ConfigError.

    The sweep's folder, ``<output_dir>/sweeps/<hash8>``, is named after the set of its runs, so the
    same command finds it again. ``command`` is recorded.
    """
    launcher, arguments = launcher_options(arguments)
    swept, combined = combinations(arguments)
    combos: dict[object, Combination] = {}  # a run that is named twice is done once
    for overrides in combined:
        new = combination(overrides, swept)
        old = combos.setdefault(new.run.key, new)
        if old.labels != new.labels:
            raise ConfigError(
                f"{old.run.title} and {new.run.title} are one run: "
                "a swept option must change the result"
            )
    config, *others = [combo.config for combo in combos.values()]
    if any(other.output_dir != config.output_dir for other in others):
        raise ConfigError(
            "output_dir: a sweep has one; runs of different options have folders of their own in it"
        )
    identity = json.dumps(sorted(place(combo.run) for combo in combos.values()))
    name = hashlib.sha256(identity.encode()).hexdigest()[:8]
    given = [argument for argument in arguments if argument.lstrip("+").partition("=")[0] in swept]
    return Sweep(
        runs=tuple(combo.run for combo in combos.values()),
        launcher=(*OwnFiles.of(arguments).overrides(), *launcher) if launcher else (),
        folder=expanded(config.output_dir) / "sweeps" / name,
        manifest=Manifest(
            " ".join(["sweep", *given]), tuple(command), studies_of(list(combos.values()))
        ),
        force=config.force,
        bar=config.runtime.progress,
    )


def launcher_options(arguments: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return (the options of the launcher, the other arguments)."""
    launcher = tuple(
        argument for argument in arguments if is_launcher_option(argument.lstrip("+~"))
    )
    return launcher, [argument for argument in arguments if argument not in launcher]


def place(run: RunSpec) -> str:
    """Return the run's folder below ``runs/``, with the hash of its evaluation."""
    return "/".join([*run.folder.parts[-2:], str(run.evaluation)])


def combination(overrides: list[str], swept: Sequence[str]) -> Combination:
    """Compose the run of these overrides. Raises ConfigError if no sweep can have it."""
    config = compose_config(overrides)
    if config.run_dir is not None:
        raise ConfigError(
            "run_dir: a sweep has many runs, each in its own folder; set output_dir instead"
        )
    if config.runtime.devices > 1:
        raise ConfigError(DEVICES_OF_A_SWEEP)
    values = {
        name: value
        for name, _, value in (override.lstrip("+").partition("=") for override in overrides)
    }
    labels = {name: _label(name, values[name], config) for name in swept if name != "seed"}
    title = " ".join(f"{name}={values[name]}" for name in swept) or f"seed={config.seed}"
    return Combination(RunSpec.of(config, overrides, title), labels, config)


def _label(name: str, text: str, config: Config) -> Any:
    """The value of a swept option in the configuration; of a group, the choice and its model."""
    if name in GROUPS:
        choice = getattr(config, name).name
        return text if text.startswith(f"{choice}:") else choice
    return flat_options(config).get(name, text)


def studies_of(combos: Sequence[Combination]) -> tuple[Study, ...]:
    """One study for each data set; the seeds of one combination are a cell."""
    cells: dict[str, dict[str, list[Combination]]] = {}
    for combo in combos:
        of_dataset = cells.setdefault(combo.config.dataset.name, {})
        of_dataset.setdefault(json.dumps(combo.labels), []).append(combo)
    return tuple(
        Study(
            "sweep",
            dataset,
            tuple(
                Cell(
                    seeds[0].labels,
                    tuple(combo.run.folder for combo in seeds),
                    seeds[0].run.evaluation,
                )
                for seeds in of_dataset.values()
            ),
        )
        for dataset, of_dataset in cells.items()
    )


def run_sweep(sweep: Sweep, say: Say) -> dict[str, str]:
    """Do every run that is not complete; return {title: why it failed}, empty if none did.

    The manifest is written before the first run starts. Raises ConfigError, with nothing written,
    for a launcher that is not installed or a damaged result.
    """
    complete_already = CompleteCheck(say)
    pending = [run for run in sweep.runs if sweep.force or not complete_already(run)]
    complete = len(sweep.runs) - len(pending)
    launcher = choose_launcher(sweep.launcher, sweep.folder, len(pending), say)
    write_manifest(sweep.folder / f"sweep{SUFFIX}", sweep.manifest)
    already = f", {complete} of them complete already" if complete else ""
    say(f"sweep of {len(sweep.runs)} runs{already}: {sweep.folder}")
    failures: dict[str, str] = {}
    for runs in apart(pending):
        failures |= launch(runs, launcher, say, complete, sweep.bar)
        complete += len(runs)
    return failures
