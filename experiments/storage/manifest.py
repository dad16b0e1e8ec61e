"""A study: cells of a table or figure, each a configuration and its runs; kept in a manifest beside
the run folders.

`crl reproduce` and `crl train -m` write manifests, `crl report` reads them. A manifest names run
folders, it holds no number: ``{"schema": 1, "title": ..., "command": [...], "studies": [{"name",
"dataset", "cells": [{"labels": {...}, "runs": [path, ...]}]}]}``, paths being relative to the
manifest's folder.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files.atomic import write_json
from data.files.plain import read_plain_json
from experiments.errors import ConfigError

SCHEMA = 1
SUFFIX = ".study.json"


@dataclass(frozen=True)
class Cell:
    """``labels``: where the cell stands in its study, axis -> value; ``runs``: run folders, one a
    seed."""

    labels: dict[str, Any]
    runs: tuple[Path, ...]


@dataclass(frozen=True)
class Study:
    """``name`` says what is compared ("table1", "fig2a", "sweep", ...), ``dataset`` on what."""

    name: str
    dataset: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Manifest:
    """Studies that one command made."""

    title: str
    command: tuple[str, ...]
    studies: tuple[Study, ...]


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write it atomically, and make its folder; the name must end in ``.study.json``.

    Raises ConfigError if it cannot be written.
    """
    home = path.parent.resolve()

    def cell(given: Cell) -> dict[str, Any]:
        return {
            "labels": given.labels,
            "runs": [os.path.relpath(run.resolve(), home) for run in given.runs],
        }

    studies = [
        {"name": s.name, "dataset": s.dataset, "cells": [cell(c) for c in s.cells]}
        for s in manifest.studies
    ]
    content = {
        "schema": SCHEMA,
        "title": manifest.title,
        "command": list(manifest.command),
        "studies": studies,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}); choose a writable output_dir"
        ) from error


def read_manifest(path: Path) -> Manifest:
    """What :func:`write_manifest` wrote, with paths resolved. Raises ConfigError for a file that it
    did not write."""
    home = path.parent.resolve()
    try:
        found = read_plain_json(path)
        if found["schema"] != SCHEMA:
            raise ConfigError(
                f"{path} has schema {found['schema']!r}, this crl reads {SCHEMA}; make it again"
            )
        studies = tuple(
            Study(
                str(study["name"]),
                str(study["dataset"]),
                tuple(
                    Cell(
                        _labels(cell["labels"]),
                        tuple((home / run).resolve() for run in cell["runs"]),
                    )
                    for cell in study["cells"]
                ),
            )
            for study in found["studies"]
        )
        return Manifest(str(found["title"]), tuple(map(str, found["command"])), studies)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
    ) as error:  # RuntimeError: links in a circle
        raise ConfigError(
            f"{path} is not a readable manifest ({type(error).__name__}); delete it or make it again"
        ) from error


def _labels(found: Any) -> dict[str, Any]:
    """Plain values, or lists of them, by axis. Raises TypeError for anything else."""
    for value in dict(found).values():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str | int | float | None):
                raise TypeError("a label is a plain value")
    return dict(found)


def find_manifests(folders: Sequence[Path]) -> list[Path]:
    """Every manifest under the folders, each once, in the order of their paths."""
    found = {
        path.resolve(): None for folder in folders for path in sorted(folder.rglob(f"*{SUFFIX}"))
    }
    return list(found)
