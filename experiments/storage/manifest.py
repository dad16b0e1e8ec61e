"""Manifests: files that say which run folders make up which cell of which study.

``crl reproduce`` and ``crl train -m`` write them, ``crl report`` reads them. A manifest holds no
number, only paths relative to its own folder: ``{"schema": 1, "title": ..., "command": [...],
"studies": [{"name", "dataset", "cells": [{"labels": {...}, "runs": [path, ...],
"evaluation": hash8}]}]}``.
"""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from crl.data.files.atomic import write_json
from crl.data.files.untrusted import read_plain_json
from crl.experiments.errors import ConfigError
from crl.experiments.storage.visible import visible_folders

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
    """The cells of one table or figure ("table1", "fig2a", "sweep", ...) on one data set.

    ``command``: what planned it, if that is not the manifest's command.
    """

    name: str
    dataset: str
    cells: tuple[Cell, ...]
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """The studies of one command. ``path``: the file that it was read from."""

    title: str
    command: tuple[str, ...]
    studies: tuple[Study, ...]
    path: Path | None = field(default=None, compare=False)


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
            **({"command": study.command} if study.command else {}),
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
        for run in runs:
            run.exists()  # raises OSError for a name that no file can have
        return Cell(_labels(plain["labels"]), runs, evaluation)

    def study(plain: dict[str, Any]) -> Study:
        return Study(
            str(plain["name"]),
            str(plain["dataset"]),
            tuple(map(cell, plain["cells"])),
            tuple(map(str, plain.get("command", ()))),
        )

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
            path=path,
        )
    # RuntimeError: resolve() met links in a circle.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
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
    paths = (
        path / name
        for path, _, files in visible_folders(folders)
        for name in sorted(files)
        if name.endswith(SUFFIX) and not name.startswith(".")
    )
    return list(dict.fromkeys(path.resolve() for path in paths))


class ReadManifests(NamedTuple):
    """``damaged``: a line for each manifest that cannot be read."""

    readable: list[Manifest]
    damaged: list[str]


def read_manifests(folders: Sequence[Path]) -> ReadManifests:
    """Read every manifest under the folders, ordered by folder and path."""
    manifests = ReadManifests([], [])
    for path in find_manifests(folders):
        try:
            manifests.readable.append(read_manifest(path))
        except ConfigError as error:
            manifests.damaged.append(str(error))
    return manifests


def titles(manifests: Sequence[Manifest]) -> list[str]:
    """Return a title for each manifest.

    Where several have one title, each adds the arguments of its command that not all of them have.
    """
    told = [manifest.title for manifest in manifests]
    for title in {title for title in told if told.count(title) > 1}:
        places = [number for number, manifest in enumerate(manifests) if manifest.title == title]
        shared = set.intersection(*(set(manifests[number].command) for number in places))
        for number in places:
            own = [word for word in manifests[number].command if word not in shared]
            told[number] = f"{title} ({shlex.join(own)})" if own else title
    return told


def unlike_titles(manifests: Sequence[Manifest]) -> list[str]:
    """Return :func:`titles`, with the manifest's file where they are still alike."""
    told = titles(manifests)
    return [
        title if told.count(title) == 1 else f"{title}, {manifest.path}"
        for title, manifest in zip(told, manifests, strict=True)
    ]
