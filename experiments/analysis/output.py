"""The input and output of the analyses: the runs they read and the files they write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crl.data.files.atomic import atomic_write, write_json
from crl.experiments.drawing import Figure
from crl.experiments.errors import ConfigError
from crl.experiments.runtime.console import Say
from crl.experiments.storage.results import Run, find_runs


def finished_runs(folders: Sequence[Path], say: Say, least: int = 1) -> list[Run]:
    """Return every finished run under the folders, ordered by path; name those that are damaged.

    Raises ConfigError for a path that is no folder, or for fewer than ``least`` runs.
    """
    runs, damaged = find_runs(folders)
    if damaged and not runs:
        raise ConfigError("; ".join(damaged.values()))
    for why in damaged.values():
        say(f"left out: {why}")
    if len(runs) < least:
        raise ConfigError(
            f"{len(runs) or 'no'} finished run under {', '.join(map(str, folders))}"
            f"{f', {least} are needed' if runs else ''}; crl train makes one"
        )
    return runs


def write_analysis(out: Path, name: str, numbers: Any, figures: Sequence[Figure]) -> list[Path]:
    """Write ``<name>.json`` and an SVG for each figure to ``out``; return their paths.

    Raises ConfigError if the folder cannot be written.
    """
    paths = [out / f"{name}.json", *(out / f"{figure.slug}.svg" for figure in figures)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(paths[0], numbers)
        for path, figure in zip(paths[1:], figures, strict=True):
            with atomic_write(path) as stream:
                stream.write(figure.standalone().encode())
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written ({error.strerror}); choose another folder with out=PATH"
        ) from error
    return paths
