"""Folders of classes: which of them are splits, which files are points, what is passed over.

Imports no torch.
"""

from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

from crl.data.errors import DataError, some
from crl.data.files.folders import (
    ROLES,
    by_ending,
    is_ignored,
    is_output,
    role_of,
    splits_among,
    subfolders,
    walk,
)

Tree = dict[str, list[Path]]  # class -> its files, both sorted


class ClassFolders(NamedTuple):
    """The files of every class, for each split that is there, and what the user should know.

    ``splits`` has the keys ``train``, perhaps ``dev``, and ``test``, or the one key ``all``.
    """

    splits: dict[str, Tree]
    notes: list[str]

    @property
    def classes(self) -> list[str]:
        """The names of the classes, sorted."""
        return sorted(next(iter(self.splits.values())))

    def files(self) -> dict[str, list[list[Path]]]:
        """For every split, the files of every class in the order of their names."""
        return {role: [tree[c] for c in self.classes] for role, tree in self.splits.items()}


def read_class_folders(root: Path, endings: Set[str], kind: str) -> ClassFolders:
    """Sort the files below root by split and class.

    root holds ``<split>/<class>/*``, with splits under their usual names, or ``<class>/*``.
    Without a test split, the dev split is the test split; what chooses is then a share of train.
    endings: those of the files that are points, in small letters. kind: what they are ("images").

    Raises DataError for folders without files, for classes that one split lacks, and where it is
    not plain which folders are splits.
    """
    found, notes = _find_splits(root)
    if "train" in found and "test" not in found:
        found["test"] = found.pop("dev")
        notes.append(
            f"no test folder: {found['test'].name}/ is the test split and chooses nothing; "
            "dev points are a share of train"
        )
    splits = {role: _tree(folder, endings, kind, notes) for role, folder in found.items()}
    _check_same_classes(root, found, splits)
    for folder in dict.fromkeys((root, *found.values())):
        notes += _loose(folder, endings, kind)
    return ClassFolders(splits, notes)


def count_classes(root: Path) -> int | None:
    """The most classes that :func:`read_class_folders` can find; None if root is unusable."""
    try:
        found, _ = _find_splits(root)
        return len(subfolders(next(iter(found.values()))))
    except DataError:
        return None


def _find_splits(root: Path) -> tuple[dict[str, Path], list[str]]:
    """(split -> its folder, notes). Without splits, the one key is ``all``.

    A folder that alone has the name of a split and holds no folder is a class, such as ``train``
    beside ``bus``.
    """
    inside = subfolders(root)
    found: dict[str, Path] = {}
    for folder in inside:
        role = role_of(folder.name)
        if role and role in found:
            raise DataError(
                f"dataset.root: {found[role]} and {folder.name} are both a {role} split; keep one"
            )
        if role:
            found[role] = folder
    others = [f for f in inside if f not in found.values() and not is_output(f)]
    if not found or (len(found) == 1 and not subfolders(*found.values())):
        return {"all": root}, []
    if len(found) == 1:
        (folder,) = found.values()
        if others:
            raise DataError(
                f"dataset.root: {folder} looks like a split, since it holds folders, but "
                f"{some(f.name for f in others)} beside it is none; rename it if it is a class, or "
                f"give dataset.root={folder}"
            )
        return {"all": folder}, [f"{folder.name}/ is the only split there; it is divided"]
    if "train" not in found:
        raise DataError(
            f"dataset.root: {root} holds {' and '.join(f.name for f in found.values())}, but no "
            "train folder; a split to train on is needed"
        )
    passed = [f"passed over beside the splits: {some(f.name for f in others)}"] if others else []
    return {role: found[role] for role in ROLES if role in found}, passed


def _tree(tree: Path, endings: Set[str], kind: str, notes: list[str]) -> Tree:
    """Read the classes of one split; add to the notes what is passed over."""
    found: Tree = {}
    nested: dict[str, list[str]] = {}
    outputs, links, others = [], [], []
    for folder in subfolders(tree):
        if tree.resolve().is_relative_to(folder.resolve()):  # a link in a circle
            links.append(folder)
            continue
        below = walk(folder, endings)
        files = [path for path in below.files if path.suffix.lower() in endings]
        if not files and is_output(folder):
            outputs.append(folder)
            continue
        if not files:
            raise _empty(folder, below.files, kind)
        _check_inside(folder, files, tree)
        found[folder.name] = files
        links += below.links
        others += [path for path in below.files if path.suffix.lower() not in endings]
        if inner := sorted({p.relative_to(folder).parts[0] for p in files if p.parent != folder}):
            nested[folder.name] = inner
    if not found:
        raise DataError(
            f"dataset.root: {tree} has no subfolder; one folder of {kind} per class is expected"
        )
    if len(found) == 1 and nested:
        ((name, inner),) = nested.items()
        raise DataError(
            f"dataset.root: {tree} holds one class, {name}, with {kind} in subfolders "
            f"({some(inner)}); if these are the classes, give dataset.root={tree / name}"
        )
    if nested:
        shown = some(f"{name} ({some(inner)})" for name, inner in nested.items())
        notes.append(
            f"{len(nested)} of {len(found)} classes in {tree.name}/ take in the {kind} of their "
            f"subfolders: {shown}"
        )
    if outputs:
        notes.append(f"passed over, crl's output: {some(f.name for f in outputs)}")
    if links:
        notes.append(f"passed over, links to folders: {len(links)} ({some(map(str, links))})")
    if others:
        notes.append(f"passed over, no {kind} by their ending: {by_ending(others)}")
    return found


def _loose(folder: Path, endings: Set[str], kind: str) -> list[str]:
    """The notes on files beside the class folders or the splits."""
    loose = sorted(f for f in folder.iterdir() if f.is_file() and not is_ignored(f.name))
    points = [f.name for f in loose if f.suffix.lower() in endings]
    where = f"passed over, {kind} of no class in {folder.name}/: {len(points)} ({some(points)})"
    return [where] if points else []


def _check_inside(folder: Path, files: list[Path], tree: Path) -> None:
    """Raise DataError for a class folder that holds splits."""
    if two := splits_among(files, tree):
        place, one, other = two
        raise DataError(
            f"dataset.root: {place} holds {one} and {other}, which look like splits; they are "
            f"expected above the classes (train/<class>/*), so give dataset.root={place}, or move "
            "them"
        )


def _empty(folder: Path, others: list[Path], kind: str) -> DataError:
    """The error on a class folder without a point."""
    holds = f"holds no {kind}, but files of other endings: {by_ending(others)}"
    return DataError(
        f"dataset.root: class folder {folder} {holds if others else 'is empty'}; "
        f"put {kind} in, or remove it"
    )


def _check_same_classes(root: Path, found: dict[str, Path], splits: dict[str, Tree]) -> None:
    """Raise DataError for a class that one split has and another lacks."""
    first, *rest = splits
    for role in rest:
        if odd := set(splits[first]) ^ set(splits[role]):
            one, other = (found[r].name for r in (first, role))
            raise DataError(
                f"dataset.root: class folder {min(odd)!r} is in only one of {root}/{one} and "
                f"{root}/{other}"
            )
