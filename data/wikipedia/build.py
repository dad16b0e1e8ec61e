"""Data in the format of Wiki-3029 from a Wikipedia dump: one file per article.

A build that is interrupted or killed at any moment can be resumed.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from crl.data.errors import DataError
from crl.data.files.atomic import atomic_write, remove_leftovers, write_json
from crl.data.wikipedia.articles import (
    REASONS,
    Rule,
    draw_sentences,
    hidden_namespaces,
    reason_to_drop,
)
from crl.data.wikipedia.dump import BrokenDump, PageReader
from crl.data.wikipedia.file_names import ArticleNames

STATE, REPORT, _LOCK = ".build-wiki.json", "report.json", ".build-wiki.lock"
_DUMP = {"size": int, "head": int, "sha256": str}  # what identifies a dump, and its types
_HEAD = 2**20  # bytes at the beginning of a dump that identify it


@dataclass
class _State:
    """The progress of a build: each of the first ``pages`` pages is an article or dropped."""

    dump: dict[str, Any]
    rule: dict[str, Any]
    pages: int
    dropped: dict[str, int]
    articles: dict[str, str]  # file name -> title
    status: str = "running"  # or "broken", after a dump that ended too early; or "complete"


def build_wiki(
    dump: Path,
    out: Path,
    rule: Rule,
    say: Callable[[str], None],
    save_seconds: float = 10.0,
) -> dict[str, Any]:
    """Write every article of the dump that passes the rule to ``out/<Title>.txt``.

    A line of such a file is a sentence. The report that is returned is in ``out/report.json`` too:
    the number of pages read, of pages dropped for each reason, and of articles. ``say`` gets lines
    for the user.

    After a kill the same call resumes; it repeats at most ``save_seconds`` of work and leaves the
    same files. A complete build only returns its report. Raises DataError and writes nothing if the
    file is no dump, or if the folder holds anything else. If the dump is cut off or damaged, raises
    DataError at the end and keeps the articles before.
    """
    if out.is_file() and not dump.is_file():
        raise DataError(f"{out} is a file and {dump} is none; give the dump first, then the folder")
    PageReader(dump, rule.max_page_bytes).check()
    with _alone(out):
        state = _resumed(dump, out, rule)
        if state.status == "complete":
            say(f"{out} is complete already")
            return _report(dump, rule, state)
        if state.pages:
            say(
                f"going on after page {state.pages:,} of {dump}, "
                f"with {len(state.articles):,} articles in {out}"
            )
        remove_leftovers(out)
        _save(out, state, "running")
        try:
            _build(dump, out, rule, state, save_seconds)
        except BrokenDump as error:
            _save(out, state, "broken")
            raise DataError(
                f"{error}; {len(state.articles):,} articles are kept in {out}, "
                "and with a whole copy of the same dump the same command goes on from there"
            ) from error
        report = _report(dump, rule, state)
        write_json(out / REPORT, report)
        _save(out, state, "complete")
        return report


def _build(dump: Path, out: Path, rule: Rule, state: _State, save_seconds: float) -> None:
    """Process the pages from state.pages on. Raises BrokenDump after the last whole page."""
    with tqdm(
        total=dump.stat().st_size,
        desc=f"reading {dump.name}",
        unit="B",
        unit_scale=True,
        disable=None,
        leave=False,
    ) as bar:
        reader = PageReader(
            dump, rule.max_page_bytes, state.pages, lambda position: bar.update(position - bar.n)
        )
        names = ArticleNames(state.articles)
        saved = time.monotonic()
        for page in reader:
            outcome = reason_to_drop(page, rule, names) or draw_sentences(
                page, rule, hidden_namespaces(reader.namespaces)
            )
            if isinstance(outcome, str):
                state.dropped[outcome] += 1
            else:
                # If this write fails, the build ends, and no state with the name is saved.
                with atomic_write(out / names.add(page.title)) as stream:
                    stream.write("".join(f"{sentence}\n" for sentence in outcome).encode())
                bar.set_postfix(articles=len(state.articles), refresh=False)
            state.pages += 1
            if time.monotonic() - saved >= save_seconds:
                _save(out, state, "running")
                saved = time.monotonic()


def _report(dump: Path, rule: Rule, state: _State) -> dict[str, Any]:
    return {
        "dump": dump.name,
        "rule": asdict(rule) | {"titles": None if rule.titles is None else len(rule.titles)},
        "pages": state.pages,
        "dropped": state.dropped,
        "articles": len(state.articles),
        "sentences": len(state.articles) * rule.sentences,
    }


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Make the folder, and keep other processes from building in it. Raises DataError."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; give a folder, new or empty")
    if out.is_dir() and not (out / STATE).exists() and (foreign := _foreign_files(out)):
        raise DataError(
            f"{out} holds something else ({foreign[0]!r}); give a folder that is new or empty"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{out}: this folder cannot be made ({error.strerror}); give another place"
        ) from error
    try:
        with FileLock(out / _LOCK, timeout=0):
            yield
    except Timeout as error:
        raise DataError(
            f"{out}: another crl data build-wiki is writing there; "
            "wait for it or give another folder"
        ) from error


def _foreign_files(out: Path) -> list[str]:
    """Names in the folder that a build killed before its first state cannot have left."""
    return sorted(
        path.name for path in out.iterdir() if not path.name.startswith((_LOCK, f".{STATE}"))
    )


def _resumed(dump: Path, out: Path, rule: Rule) -> _State:
    """The state in the folder, or a new one. Raises DataError if its dump or rule is another."""
    chosen = asdict(rule) | {
        "titles": None if rule.titles is None else _digest("\n".join(sorted(rule.titles)).encode())
    }
    if not (out / STATE).exists():
        return _State(_identity(dump, _HEAD), chosen, 0, dict.fromkeys(REASONS, 0), {})
    state = _read_state(out)
    for name, value in chosen.items():
        if state.rule[name] != value:
            earlier = "another list" if name == "titles" else f"{name}={state.rule[name]}"
            raise DataError(
                f"{out} was begun with {earlier}; give the same option, or another folder"
            )
    identity = _identity(dump, state.dump["head"])
    if state.status == "broken":  # a whole copy begins like the broken one, but is longer
        state.dump["size"] = identity["size"]
    if identity != state.dump:
        raise DataError(
            f"{out} was begun with another dump than {dump}; give that one, or another folder"
        )
    return replace(state, dump=_identity(dump, _HEAD))


def _read_state(out: Path) -> _State:
    """The state in the folder. Raises DataError if it is damaged, or if articles are missing."""
    try:
        state = _State(**json.loads((out / STATE).read_bytes()))
        whole = (
            state.pages == sum(state.dropped.values()) + len(state.articles.values())
            and {name: type(value) for name, value in state.dump.items()} == _DUMP
            and 0 <= state.dump["head"] <= _HEAD
            and set(state.dropped) == set(REASONS)
            and set(state.rule) == {spec.name for spec in fields(Rule)}
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise DataError(
            f"{out / STATE} is damaged, or of another version of crl; delete {out} and start again"
        )
    if missing := sorted(state.articles.keys() - {path.name for path in out.iterdir()}):
        raise DataError(
            f"{out} has lost {len(missing)} of its articles ({missing[0]!r}); "
            "delete it and start again"
        )
    return state


def _identity(dump: Path, head: int) -> dict[str, Any]:
    """The identity of a dump in any place: its size, and a digest of its beginning."""
    with dump.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        return {"size": size, "head": min(head, size), "sha256": _digest(stream.read(head))}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _save(out: Path, state: _State, status: str) -> None:
    state.status = status
    write_json(out / STATE, vars(state))
