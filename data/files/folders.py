"""Folders as people keep them: hidden files, splits, links, and the output of crl inside.

Imports no torch.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Set
from pathlib import Path
from typing import NamedTuple

from crl.data.errors import DataError, some
from crl.data.files.cache import data_home

# Folders that a system, an archiver or an experiment tracker leaves among the user's own.
_OF_PROGRAMS = {
    "__macosx", "__pycache__", "@eadir", "lost+found", "$recycle.bin",
    "system volume information", "wandb", "mlruns", "lightning_logs",
}  # fmt: skip
# A folder without data that holds one of these is an output folder or a run folder.
_OUTPUT_MARKS = ("runs", "sweeps", "config.yaml", "report.md")
_SPLIT = re.compile(
    r"(?:(train|training)|(val|valid|validation|dev|development)|(test|testing))"
    r"(?:[ _-]?(?:set|data|images|split))?",
    re.IGNORECASE,
)
ROLES = ("train", "dev", "test")


def role_of(name: str) -> str | None:
    """The split that a folder of this name usually holds: train, dev or test; else None."""
    match = _SPLIT.fullmatch(name)
    return ROLES[match.lastindex - 1] if match and match.lastindex else None


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a program's own."""
    return name.startswith(".") or name.lower() in _OF_PROGRAMS


def is_text(name: str) -> bool:
    """Whether a file of this name is read as text: its ending is .txt, in capitals or not."""
    return name.lower().endswith(".txt")


def subfolders(folder: Path) -> list[Path]:
    """The subfolders that are not ignored, by name; links to folders count. None of a file.

    Raises DataError if the folder cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        return sorted(f for f in folder.iterdir() if f.is_dir() and not is_ignored(f.name))
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})") from error


class Walk(NamedTuple):
    """The files below a folder, sorted, and the links to folders there, which are not followed."""

    files: list[Path]
    links: list[Path]


def walk(folder: Path, endings: Set[str]) -> Walk:
    """All files below a folder that are not ignored.

    A folder with one of these endings counts as a file, which no reader takes. Raises DataError for
    a folder that cannot be read.
    """
    found = Walk([], [])

    def give_up(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read ({error.strerror})") from error

    for place, folders, names in os.walk(folder, onerror=give_up):
        here = Path(place)
        found.links.extend(here / f for f in folders if (here / f).is_symlink())
        names += [f for f in folders if Path(f).suffix.lower() in endings]
        found.files.extend(here / name for name in names if not is_ignored(name))
        folders[:] = [f for f in folders if not is_ignored(f)]
    return Walk(sorted(found.files), sorted(found.links))


def is_output(folder: Path) -> bool:
    """Whether a folder without data is what crl, not the user, has put there."""
    return (
        any((folder / mark).exists() for mark in _OUTPUT_MARKS)
        or folder.resolve() == data_home().resolve()
    )


def splits_among(files: Iterable[Path], root: Path) -> tuple[Path, str, str] | None:
    """(folder, name, name) of two folders side by side that hold files of different splits."""
    roles: dict[Path, dict[str, str]] = {}
    for path in files:
        inside = path.relative_to(root).parts[:-1]
        for depth, name in enumerate(inside):
            if role := role_of(name):
                names = roles.setdefault(root.joinpath(*inside[:depth]), {})
                names.setdefault(role, name)
                if len(names) > 1:
                    first, second = sorted(names.values(), reverse=True)
                    return root.joinpath(*inside[:depth]), first, second
    return None


def by_ending(files: Iterable[Path]) -> str:
    """``12 (.txt 10, .heic 2)``: how many files there are of each ending, the commonest first."""
    counts = Counter(path.suffix.lower() or "no ending" for path in files)
    return f"{sum(counts.values())} ({some(f'{e} {n}' for e, n in counts.most_common())})"


def no_texts(files: Collection[Path]) -> list[str]:
    """The note on files that lie where texts do and have another ending, if there are any."""
    return [f"passed over, no .txt file: {by_ending(files)}"] if files else []
