"""Which runs are complete, so that they need not start. It imports torch only to compare data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crl.experiments.config.compose import compose_config
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.runtime.console import Say
from crl.experiments.storage.results import read_result

if TYPE_CHECKING:
    from crl.experiments.training.inputs import InputCheck


class CompleteCheck:
    """Tells whether a run is complete, with the evaluation asked for and with today's files."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._check_inputs: InputCheck | None = None

    def __call__(self, run: RunSpec) -> bool:
        """Return whether it is complete.

        Raises ConfigError for a damaged result, and for files that have changed since it was made.
        """
        result = read_result(run.folder, run.evaluation)
        if result is not None:
            self.check_files(run, result)
        return result is not None

    def check_files(self, run: RunSpec, result: Mapping[str, Any]) -> None:
        """Raise ConfigError if the run's files have changed since its result was made."""
        if run.reads_files:
            if self._check_inputs is None:
                from crl.experiments.training.inputs import InputCheck

                self._check_inputs = InputCheck(self._say)
            self._check_inputs(compose_config(run.overrides), result)


def apart(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """Divide runs into parts to do one after the other; in a part, each has a folder of its own.

    Runs that share a folder differ in evaluation alone: the first trains, the others score again.
    """
    parts: list[list[RunSpec]] = []
    for run in runs:
        part = next((p for p in parts if all(run.folder != other.folder for other in p)), None)
        if part is None:
            parts.append(part := [])
        part.append(run if part is parts[0] else _without_force(run))
    return parts


def _without_force(run: RunSpec) -> RunSpec:
    names = (override.lstrip("+").partition("=")[0] for override in run.overrides)
    kept = [o for o, name in zip(run.overrides, names, strict=True) if name != "force"]
    return replace(run, overrides=tuple(kept))
