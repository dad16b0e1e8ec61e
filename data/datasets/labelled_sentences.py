"""Labelled sentences, such as MR, SUBJ, CR, MPQA or TREC: a label is a class.

A class is a file with one sentence a line, or the label in a line or row of one file.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crl.data.dataset import Dataset, Split, cached_dataset, split_off
from crl.data.errors import DataError, some
from crl.data.files.cache import existing_root, stamps
from crl.data.files.folders import is_ignored, is_output
from crl.data.text.decoding import Decoder, find_encodings, read_bytes
from crl.data.text.labelled_lines import Columns, check_one_label, read_labelled
from crl.data.text.tokens import TextOptions, build_vocabulary, encode, growing_ids, text_dataset

_WANTED = (
    "a folder with one .txt file per class, or a .tsv, .csv or .txt file of labels and sentences, "
    "perhaps as train, dev and test"
)
_TABLES = (".tsv", ".csv")
_LINES = (".txt", ".label", ".pos", ".neg", ".all", ".train", ".dev", ".test")
_WHOLE = (*_TABLES, ".txt", ".label", ".all")  # endings that tell no class
_ROLES = {
    "train": {"train", "training"},
    "dev": {"dev", "development", "val", "valid", "validation"},
    "test": {"test", "testing"},
}

Groups = dict[str, list[str]]  # class -> its sentences


@dataclass(frozen=True)
class _Files:
    """The files of a role. ``classes``: the class of every file; empty if labels are inside."""

    paths: list[Path]
    classes: list[str]


def load_labelled_sentences(
    *,
    root: str | None,
    label_column: str | None,
    text_column: str | None,
    encoding: str,
    **options: Any,
) -> Dataset:
    """Load sentences with labels from a folder or a file.

    root: a file of labels and sentences, see :func:`crl.data.text.labelled_lines.read_labelled`; or
    a folder of one such file; of train, dev and test files; of a file per class; or of folders
    train, dev and test with a file per class. Splits in the files are kept; what they lack, dev or
    test, is split off train. label_column, text_column: those of a table. encoding: see
    :func:`crl.data.text.decoding.find_encodings`. options: see
    :class:`crl.data.text.tokens.TextOptions`.

    Raises DataError for files that do not hold this, and for classes without a train sentence.
    """
    source = existing_root(root, _WANTED)
    roles, passed = _find(source)
    files = [path for of_role in roles.values() for path in of_role.paths]
    columns, text_options = Columns(label_column, text_column), TextOptions(**options)

    def make() -> Dataset:
        contents = {str(path): read_bytes(path) for path in files}
        decoder = find_encodings(contents, contents.__getitem__, encoding)
        notes = [*decoder.notes]
        groups = {
            role: _groups(of_role, contents, decoder, columns, notes.append)
            for role, of_role in roles.items()
        }
        if groups.keys() == {"train"}:
            return _split_here(source, groups["train"], text_options, notes)
        return _split_already(source, groups, text_options, notes)

    key = {"files": stamps(files), "columns": [label_column, text_column], "encoding": encoding}
    dataset = cached_dataset("labelled_sentences", {**key, "text": vars(text_options)}, make)
    notes = [f"{len(passed)} files or folders passed over: {some(passed)}"] if passed else []
    return replace(dataset, notes=[*notes, *dataset.notes])


def _find(source: Path) -> tuple[dict[str, _Files], list[str]]:
    """(role -> its files, names of what is passed over). Raises DataError."""
    if source.is_file():
        if not _is_known(source):
            raise DataError(f"dataset.root: {source} is no text file; give {_WANTED}")
        return {"train": _Files([source], [])}, []
    entries = sorted(path for path in source.iterdir() if not is_ignored(path.name))
    folders = _split_folders(source, entries)
    roles: dict[str, list[Path]] = defaultdict(list)
    for role, folder in folders.items():
        inside = sorted(path for path in folder.iterdir() if not is_ignored(path.name))
        roles[role] = [path for path in inside if _is_known(path)]
        if not roles[role]:
            raise _no_text(folder, inside)
        entries += inside
    if not folders:
        known = [path for path in entries if _is_known(path)]
        for path in known:
            if of_file := _role(path.name):
                roles[of_file].append(path)
        if not roles:
            roles["train"] = known
    roles = {role: roles[role] for role in _ROLES if roles[role]}
    if not roles:
        raise _no_text(source, entries)
    if "train" not in roles:
        raise DataError(f"dataset.root: {source} holds no train file; give {_WANTED}")
    used = {*folders.values(), *(path for paths in roles.values() for path in paths)}
    others = [path for path in entries if path not in used and not is_output(path)]
    passed = [f"{path.name}/" if path.is_dir() else path.name for path in others]
    return {role: _of_classes(source, paths) for role, paths in roles.items()}, passed


def _split_folders(source: Path, entries: list[Path]) -> dict[str, Path]:
    """Split -> its folder. Raises DataError for two of one split, and for files of splits too."""
    folders: dict[str, Path] = {}
    for path in filter(Path.is_dir, entries):
        if role := _role(path.name):
            _check_one(source, role, [folders.setdefault(role, path), path])
    files = [path.name for path in entries if _is_known(path) and _role(path.name)]
    if folders and files:
        raise DataError(
            f"dataset.root: {source} holds the folder {min(folders.values()).name}/ and "
            f"{some(files)}, which all look like splits; keep all splits as folders, or all as "
            "files"
        )
    return folders


def _check_one(source: Path, role: str, paths: list[Path]) -> None:
    """Raise DataError for several files or folders that are all of this split."""
    if len(names := sorted({path.name for path in paths})) > 1:
        raise DataError(
            f"dataset.root: {' and '.join(names)} in {source} are both a {role} split; keep one"
        )


def _no_text(folder: Path, entries: list[Path]) -> DataError:
    """The error on a folder, with these entries, that holds no file of sentences."""
    inner = (f for e in filter(Path.is_dir, entries) for f in (e, *sorted(e.glob("*/"))))
    if of_class := next((f for f in inner if any(map(_is_known, f.glob("*")))), None):
        return DataError(
            f"dataset.root: {folder} holds text files in {of_class.relative_to(folder)}/; here a "
            "class is one file with a sentence a line; for a folder per class with a file per "
            "document use dataset=labelled_documents or documents"
        )
    return DataError(f"dataset.root: {folder} holds no text file; give {_WANTED}")


def _is_known(path: Path) -> bool:
    """Return whether the name is that of a file of sentences; SUBJ's files end in .5000."""
    suffix = path.suffix.lower()
    named = suffix in (*_TABLES, *_LINES) or suffix[1:].isdecimal()
    return (
        named and not path.is_dir() and not re.match(r"\.|.*(readme|licen[cs]e)", path.name.lower())
    )


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.lower()) if word]


def _role(name: str) -> str | None:
    """The split that a file or folder holds by its name. TREC calls its test file TREC_10."""
    words = _words(name)
    if words[:2] == ["trec", "10"]:
        return "test"
    return next((role for role, names in _ROLES.items() if names & set(words)), None)


def _of_classes(source: Path, paths: list[Path]) -> _Files:
    """The files of a role: one with labels, or one per class, named by what tells them apart."""
    if len(paths) == 1:
        return _Files(paths, [])
    if tables := [path.name for path in paths if path.suffix.lower() in _TABLES]:
        raise DataError(
            f"dataset.root: {source} holds {len(paths)} files, and {tables[0]} is a table; give "
            "one table, or name them train, dev and test"
        )
    own = set().union(*_ROLES.values())
    if role := _role(paths[0].name):
        whole = [path for path in paths if own.issuperset(_words(path.stem))]
        _check_one(source, role, [path for path in whole if path.suffix.lower() in _WHOLE])
    ways: tuple[Callable[[Path], str], ...] = (
        lambda path: "_".join(w for w in _words(path.stem) if w not in own) or path.stem
        if _role(path.name) else path.stem,
        lambda path: path.suffix[1:],
        lambda path: path.name,
    )  # fmt: skip
    names = next(
        names for way in ways if len(set(names := [way(path) for path in paths])) == len(paths)
    )
    return _Files(paths, names)


def _groups(
    files: _Files,
    contents: dict[str, bytes],
    decoder: Decoder,
    columns: Columns,
    note: Callable[[str], None],
) -> Groups:
    """The sentences of every class of a role."""
    groups: Groups = defaultdict(list)
    if files.classes:
        for path, name in zip(files.paths, files.classes, strict=True):
            lines = decoder.text(str(path), contents[str(path)]).split("\n")
            check_one_label(str(path), enumerate(lines, 1))
            groups[name] = [joined for line in lines if (joined := " ".join(line.split()))]
        return groups
    (path,) = files.paths
    text = decoder.text(str(path), contents[str(path)])
    labelled = read_labelled(str(path), text, columns, path.suffix.lower() in _TABLES)
    for label, sentence in labelled.pairs:
        groups[label].append(sentence)
    empty = f"; {labelled.empty} rows without a sentence dropped" if labelled.empty else ""
    note(f"{path.name}: {labelled.how}{empty}")
    return groups


def _split_here(source: Path, groups: Groups, options: TextOptions, notes: list[str]) -> Dataset:
    """All sentences in one file or one file per class: train, dev and test are drawn."""
    distinct = {name: list(dict.fromkeys(sentences)) for name, sentences in groups.items()}
    if repeated := sum(map(len, groups.values())) - sum(map(len, distinct.values())):
        notes.append(f"{repeated} repeated sentences dropped")
    notes.append(
        f"{sum(map(len, distinct.values()))} sentences of {len(distinct)} classes, "
        "split into train, dev and test here"
    )
    _check_classes(source, distinct)
    return text_dataset("labelled_sentences", distinct, options, notes)


def _split_already(
    source: Path, groups: dict[str, Groups], options: TextOptions, notes: list[str]
) -> Dataset:
    """Train beside dev or test; one that is missing is split off train."""
    classes = sorted(groups["train"])
    _check_classes(source, groups["train"])
    for role, of_role in groups.items():
        if alone := sorted(of_role.keys() - set(classes)):
            raise DataError(
                f"{source}: {_counted(alone)} in {role} but not in train; "
                "the classes of all splits must be those of train"
            )
    ids = growing_ids()
    splits = {}
    for role, of_role in groups.items():
        in_order = [of_role.get(name, []) for name in classes]
        points = encode((s for sentences in in_order for s in sentences), ids, options)
        splits[role] = Split.from_groups(points, in_order)
    splits["train"] = splits["train"].shuffled(options.split_seed)
    sizes = ", ".join(f"{role} {len(split)}" for role, split in splits.items())
    for role, share in (("test", options.test_fraction), ("dev", options.dev_fraction)):
        if role not in splits:
            splits[role], splits["train"] = split_off(splits["train"], share)
            sizes += f"; {role} is {share:.0%} of train"
    notes.append(f"{len(classes)} classes; splits of the files: {sizes}")
    train, dev, test = (splits[role] for role in ("train", "dev", "test"))
    dataset = Dataset("labelled_sentences", classes, train, dev, test, notes=notes)
    return build_vocabulary(dataset, ids, options.min_count)


def _check_classes(source: Path, groups: Groups) -> None:
    """Raise DataError for a train class without a sentence, and for fewer than two classes."""
    if empty := [name for name, sentences in groups.items() if not sentences]:
        raise DataError(
            f"{source}: {_counted(empty)} without a sentence; give every class some or remove it"
        )
    if len(groups) < 2:
        names = ", ".join(groups)
        raise DataError(
            f"{source}: {len(groups)} class(es) ({names}); at least 2 are needed: give {_WANTED}"
        )


def _counted(classes: list[str]) -> str:
    """``class 'a' is``, or ``4 classes ('a', 'b', 'c' and 1 more) are``."""
    names = some(map(repr, classes))
    return f"class {names} is" if len(classes) == 1 else f"{len(classes)} classes ({names}) are"
