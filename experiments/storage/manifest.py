"""Manifests: files that say which run folders make up which cell of which study.

``crl reproduce`` and ``crl train -m`` write them, ``crl report`` reads them. A manifest holds no
number, only paths relative to its own folder: ``{"schema": 1, "title": ..., "command": [...],
"studies": [{"name", "dataset", "cells": [{"labels": {...}, "runs": [path, ...],
"evaluation": hash8}]}]}``.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crl.data.files.atomic import write_json
from crl.data.files.untrusted import read_plain_json
from crl.experiments.errors import ConfigError

SCHEMA = 1
SUFFIX = ".study.json"


@dataclass(frozen=True)
class Cell:
    """One configuration of a study: ``labels``: axis -> value; ``runs``: one folder per seed.

    ``evaluation``: the hash of the evaluation that the cell shows; None for the last one.
    """

    labels: dict[str, Any]
    runs: tuple[Path, ...]
    evaluation: str | None = None


@dataclass(frozen=True)
class Study:
    """The cells of one table or figure ("table1", "fig2a", "sweep", ...) on one data set."""

    name: str
    dataset: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Manifest:
    """The studies of one command."""

    title: str
    command: tuple[str, ...]
    studies: tuple[Study, ...]


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest atomically and make its folder; the name must end in ``.study.json``.

    Raises ConfigError if it cannot be written.
    """
    home = path.parent.resolve()
    studies = [
        {
            "name": study.name,
            "dataset": study.dataset,
            "cells": [
                {
                    "labels": cell.labels,
                    "runs": [os.path.relpath(run.resolve(), home) for run in cell.runs],
                    "evaluation": cell.evaluation,
                }
                for cell in study.cells
            ],
        }
        for study in manifest.studies
    ]
    head = {"schema": SCHEMA, "title": manifest.title, "command": manifest.command}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, head | {"studies": studies})
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}); choose a writable output_dir"
        ) from error


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; its paths become absolute. Raises ConfigError for another file."""
    home = path.parent.resolve()

    def cell(plain: dict[str, Any]) -> Cell:
        evaluation = plain.get("evaluation")
        if evaluation is not None and not re.fullmatch("[0-9a-f]{8}", evaluation):
            raise ValueError("an evaluation is named by 8 hexadecimal digits")
        runs = tuple((home / run).resolve() for run in plain["runs"])
        return Cell(_labels(plain["labels"]), runs, evaluation)

    def study(plain: dict[str, Any]) -> Study:
        return Study(str(plain["name"]), str(plain["dataset"]), tuple(map(cell, plain["cells"])))

    try:
        plain = read_plain_json(path)
        if plain["schema"] != SCHEMA:
            raise ConfigError(
                f"{path} has schema {plain['schema']!r}, this crl reads {SCHEMA}; make it again"
            )
        return Manifest(
            title=str(plain["title"]),
            command=tuple(map(str, plain["command"])),
            studies=tuple(map(study, plain["studies"])),
        )
    # RuntimeError: resolve() met links in a circle.
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"{path} is not a readable manifest ({type(error).__name__}); "
            "delete it or make it again"
        ) from error


def _labels(plain: Any) -> dict[str, Any]:
    """Return a cell's labels. Raises TypeError for one that is not a plain value or a list."""
    for value in dict(plain).values():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str | int | float | None):
                raise TypeError("a label is a plain value")
    return dict(plain)


def find_manifests(folders: Sequence[Path]) -> list[Path]:
    """Return every manifest under the folders once, ordered by folder and path."""
    return list(
        dict.fromkeys(path.resolve() for f in folders for path in sorted(f.rglob(f"*{SUFFIX}")))
    )
