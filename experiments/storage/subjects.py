"""What to call the data of each run: runs on different data are never put together."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from crl.experiments.config.identity import flat_options
from crl.experiments.config.schema import GROUPS, SECTIONS, Config
from crl.experiments.storage.results import Run

# The options of a data set that choose among its points after they are loaded.
_AFTER_LOADING = ("dataset.name", "dataset.root", "dataset.train_fraction", "dataset.augment")

_LONGEST = 60  # letters of a path in a title, which names files


def _without_effect(prefix: str, schema: type) -> set[str]:
    """Return the full names of the options of a schema that change no result."""
    return {
        f"{prefix}.{spec.name}"
        for spec in fields(schema)
        if not spec.metadata.get("changes_result", True)
    }


# All options that change no result in any run, and the seed.
_WITHOUT_EFFECT = {spec.name for spec in fields(Config)}.union(
    *(_without_effect(section, schema) for section, schema in SECTIONS.items())
)


def result_options(config: dict[str, Any]) -> dict[str, Any]:
    """Return ``group.option`` -> value of every option that can change the result, but the seed."""
    without_effect = _WITHOUT_EFFECT.union(
        *(
            _without_effect(group, options)
            for group, choices in GROUPS.items()
            if (options := choices.options_of(config.get(group, {}).get("name")))
        )
    )
    return {
        name: value for name, value in flat_options(config).items() if name not in without_effect
    }


_Place = tuple[str, str]  # the name and root of a data set


class _Subject(NamedTuple):
    """``root``: of data that are the user's own, else ""; ``data``: the fingerprint, in doubt."""

    name: str
    root: str
    data: str


def told_apart(runs: Mapping[Path, Run], key: Callable[[str], str] = str.lower) -> dict[Path, Run]:
    """Return the runs with their ``subject`` and ``variant``.

    ``key``: no two subjects have the same one, so that they can name files.

    A data set is a subject: its name and, if it is the user's own, its root. Roots at which equal
    options give equal fingerprints hold the same data; the first one names it. If runs with the
    same options of the data set have different fingerprints, it is one subject for each.
    A configuration has variants if its runs read different files: data, word vectors, weights.
    """
    subjects = _subjects(runs)
    titles = _titles(sorted(set(subjects.values())), key)
    variants = _variants(runs.values())
    return {
        path: replace(run, subject=titles[subjects[path]], variant=variants.get(path, ""))
        for path, run in runs.items()
    }


def _subjects(runs: Mapping[Path, Run]) -> dict[Path, _Subject]:
    places = _places(runs.values())
    loaded: dict[tuple[_Place, str], dict[str, str]] = {}
    for run in runs.values():
        if data := run.fingerprints.get("dataset.fingerprint"):
            loaded.setdefault((places[_place(run)], _loading(run)), {})[data] = data
    return {
        path: _Subject(*place, _in_doubt(run, loaded.get((place, _loading(run)), {})))
        for path, run in runs.items()
        for place in [places[_place(run)]]
    }


def _places(runs: Iterable[Run]) -> dict[_Place, _Place]:
    """Return for every place the first one that holds the same data."""
    firsts: dict[_Place, _Place] = {}
    seen: dict[tuple[str, str, str], _Place] = {}
    for run in runs:
        place = firsts.setdefault(_place(run), _place(run))
        if data := run.fingerprints.get("dataset.fingerprint"):
            first = firsts[seen.setdefault((run.dataset, _loading(run), data), place)]
            later = {other for other, known in firsts.items() if known == place}
            firsts |= dict.fromkeys(later, first)
    return firsts


def _in_doubt(run: Run, known: Iterable[str]) -> str:
    """Return the fingerprint of the run's data if others with its options have another one."""
    return run.fingerprints.get("dataset.fingerprint", "unknown") if len([*known]) > 1 else ""


def _place(run: Run) -> _Place:
    """Return the name and root of a run's data set; no root where it changes no result."""
    root = result_options(run.config).get("dataset.root")
    return run.dataset, str(PurePath(str(root))) if root else ""


def _loading(run: Run) -> str:
    """Return all that the points of a data set depend on, but the files."""
    options = result_options(run.config)
    loading = [
        (name, value)
        for name, value in options.items()
        if name.startswith("dataset.") and name not in _AFTER_LOADING
    ]
    # How many points a small class keeps depends on options of other groups too.
    whole = options.get("dataset.class_sizes", "all") != "all"
    return str([loading, run.name if whole else ""])


def _titles(subjects: Iterable[_Subject], key: Callable[[str], str]) -> dict[_Subject, str]:
    """Return a title for each subject: its name alone, unless several have the same name."""
    by_name: dict[str, list[_Subject]] = {}
    for subject in subjects:
        by_name.setdefault(subject.name, []).append(subject)
    titles: dict[_Subject, str] = {}
    taken: set[str] = set()
    for name, same in by_name.items():
        tails = _tails({subject.root for subject in same})
        for subject in same:
            words = [tails.get(subject.root, ""), f"data {subject.data[:8]}" * bool(subject.data)]
            known = ", ".join(filter(None, words))
            first = title = f"{name} ({known})" if known and len(same) > 1 else name
            count = 1
            while key(title) in taken:
                count += 1
                title = f"{first}, {count}"
            taken.add(key(title))
            titles[subject] = title
    return titles


def _tails(roots: set[str]) -> dict[str, str]:
    """Return each root's last parts, as few as tell it from the others."""
    parts = {root: PurePath(root).parts for root in roots}

    def tail(root: str, length: int) -> str:
        return str(PurePath(*parts[root][-length:])) if parts[root] else ""

    def shortened(path: str) -> str:
        return path if len(path) <= _LONGEST else f"…{path[-_LONGEST:]}"

    tails = {}
    for root in roots:
        length = 1
        while length < len(parts[root]) and any(
            tail(other, length) == tail(root, length) for other in roots - {root}
        ):
            length += 1
        tails[root] = shortened(tail(root, length))
    return tails


def _variants(runs: Iterable[Run]) -> dict[Path, str]:
    """Return ``+`` and six digits for every run of a configuration that has several variants.

    Old runs have no fingerprint of their word vectors; where all others agree, so do they.
    """
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    variants = {}
    for same in by_name.values():
        values: dict[str, set[str]] = {}
        for run in same:
            for key, fingerprint in run.fingerprints.items():
                values.setdefault(key, set()).add(fingerprint)
        different = sorted(key for key, known in values.items() if len(known) > 1)
        for run in same if different else ():
            read = str([run.fingerprints.get(key) for key in different])
            variants[run.path] = f"+{hashlib.sha256(read.encode()).hexdigest()[:6]}"
    return variants
