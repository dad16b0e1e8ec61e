"""Labels and sentences in one file: a table (TSV, CSV), or lines that begin with a label."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from crl.data.errors import DataError

_LABELS = (
    "label", "labels", "class", "category", "sentiment", "target", "polarity", "intent", "topic",
    "coarse_label", "label-coarse", "label_text", "y",
)  # fmt: skip
_TEXTS = (
    "sentence", "text", "sentences", "phrase", "question", "review", "utterance", "content",
    "tweet", "comment", "message", "body", "headline", "title", "x",
)  # fmt: skip
_MARK = "__label__"  # fastText's, before every label
# How a line begins with a label, and what the user is told about it.
_LINES = (
    (re.compile(rf"{_MARK}(\S+)\s+(.*)"), f"labels after {_MARK}"),
    (re.compile(r"([^\s:]+):\S+\s+(.*)"), "labels before the colon of LABEL:sub"),
    (re.compile(r"(\S+)\s+(.*)"), "labels before the first space"),
)
_SHOWN = "LABEL<tab>sentence, LABEL:sub sentence, __label__LABEL sentence or LABEL sentence"


@dataclass(frozen=True)
class Columns:
    """The columns of a table that the user names: by the header, or by a number from 1."""

    label: str | None
    text: str | None


@dataclass(frozen=True)
class Labelled:
    """(label, sentence) pairs. ``how``: in what form they were. ``empty``: rows without text."""

    pairs: list[tuple[str, str]]
    how: str
    empty: int = 0


def read_labelled(name: str, text: str, columns: Columns, table: bool) -> Labelled:
    """The labels and sentences of a file. ``name``: that of the file, for messages.

    table: whether it is a table; else it is one only if all lines hold a tab. Raises DataError for
    rows or lines that do not fit, naming the first, and for columns that are not clear.
    """
    lines = [(n, line.strip()) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{name} is empty; a label and a sentence a line are expected")
    if table or all("\t" in line for _, line in lines):
        return _table(name, text, columns)
    if columns.label or columns.text:
        raise DataError(f"{name} is no table, so it has no columns to choose; give a .tsv or .csv")
    for pattern, how in _LINES:
        found = [pattern.fullmatch(line) for _, line in lines]
        missing = [number for (number, _), match in zip(lines, found, strict=True) if not match]
        pairs = [(match[1], match[2]) for match in found if match]
        if len(missing) > len(lines) // 10 or (how == _LINES[-1][1] and not _are_labels(pairs)):
            continue
        if missing:
            raise DataError(f"{name}, line {missing[0]}: no label, unlike the other lines ({how})")
        check_one_label(name, [(n, " ".join(p)) for (n, _), p in zip(lines, pairs, strict=True)])
        return Labelled(pairs, how)
    raise DataError(
        f"{name}: no labels found; lines {_SHOWN} are expected, or a folder with one file per class"
    )


def check_one_label(name: str, sentences: Iterable[tuple[int, str]]) -> None:
    """Raise DataError for the first (line, sentence) that holds a label in fastText's form."""
    for number, sentence in sentences:
        if _MARK in sentence:
            raise DataError(
                f"{name}, line {number}: {_MARK} in the sentence, which would give its label away; "
                f"one label a sentence is read, as {_MARK}LABEL at the start of a line of one file"
            )


def _are_labels(pairs: list[tuple[str, str]]) -> bool:
    """Return whether the first words of lines are labels: numbers, or words that are repeated."""
    counts = Counter(label for label, _ in pairs)
    return all(re.fullmatch(r"[+-]?\d+", label) for label in counts) or min(counts.values()) > 2


def _table(name: str, text: str, columns: Columns) -> Labelled:
    rows = _rows(name, text)
    width = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != width:
            raise DataError(
                f"{name}, line {number}: {len(cells)} cells, but {width} in the first line; put "
                "a sentence that holds the separator in double quotes"
            )
    header = [" ".join(cell.split()) for cell in rows[0][1]]
    label, sentence, told = _columns(name, header, rows, columns)
    headed = told or _is_header(label, rows)
    pairs, empty = [], 0
    for number, cells in rows[headed:]:
        if not cells[sentence].strip():
            empty += 1
        elif not cells[label].strip():
            raise DataError(f"{name}, line {number}: no label; give it one or remove the line")
        else:
            pairs.append((cells[label].strip(), " ".join(cells[sentence].split())))
            check_one_label(name, [(number, pairs[-1][1])])
    shown = [repr(header[i]) if headed else str(i + 1) for i in (label, sentence)]
    how = f"label column {shown[0]}, sentence column {shown[1]}"
    if headed and not told:
        how += f"; the first row is taken for a header: {', '.join(header)[:80]}"
    return Labelled(pairs, how, empty)


def _rows(name: str, text: str) -> list[tuple[int, list[str]]]:
    """(number of the line, cells) of every row that is not blank. Raises DataError."""
    if name.lower().endswith(".csv"):
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may be that long
        separators = [mark for mark in ",;\t|" if _is_table(text, mark)]
        separator = (separators or [","])[0]
        reader = csv.reader(
            io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True
        )
        try:
            rows = [(reader.line_num, cells) for cells in reader if any(cells)]
        except csv.Error as error:
            raise DataError(f"{name}, line {reader.line_num}: {error}") from error
    else:  # a lone quotation mark is usual in a TSV, and part of its sentence
        rows = [
            (number, [_unquoted(cell) for cell in line.split("\t")])
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
    if not rows or len(rows[0][1]) < 2:
        raise DataError(f"{name}: a label and a sentence in every row are expected")
    return rows


def _is_table(text: str, separator: str) -> bool:
    """Return whether the first rows have as many cells with this separator, at least two."""
    head = io.StringIO("".join(text.splitlines(keepends=True)[:50]))
    try:
        reader = csv.reader(head, delimiter=separator, skipinitialspace=True)
        widths = {len(row) for row in reader if any(row)}
    except csv.Error:
        return False
    return len(widths) == 1 and max(widths) > 1


def _unquoted(cell: str) -> str:
    cell = cell.strip()
    inner = cell[1:-1].replace('""', "")
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner
    return cell[1:-1].replace('""', '"') if quoted else cell


def _columns(
    name: str, header: list[str], rows: list[tuple[int, list[str]]], given: Columns
) -> tuple[int, int, bool]:
    """(column of labels, column of sentences, whether names in the first row tell them)."""
    names = [cell.casefold() for cell in header]
    label = _place(name, header, given.label, "label_column")
    text = _place(name, header, given.text, "text_column")
    headed = any(w and not w.isdecimal() for w in (given.label, given.text))
    known = next((names.index(n) for n in _LABELS if n in names), None)
    told = next((names.index(n) for n in _TEXTS if n in names and names.index(n) != known), None)
    if known is not None and told is not None:
        headed = True
        label, text = (known if label is None else label), (told if text is None else text)
    if len(header) == 2 and (label is None) != (text is None):
        label, text = (1 - text if label is None else label), (1 - label if text is None else text)  # type: ignore[operator]
    if len(header) == 2 and label is None:
        distinct = [len({cells[i] for _, cells in rows}) for i in (0, 1)]
        if distinct[0] != distinct[1]:
            label = distinct.index(min(distinct))
            text = 1 - label
    if label is None or text is None or label == text:
        raise DataError(
            f"{name}: which of its columns ({', '.join(header)[:80]}) hold labels and sentences? "
            "Give dataset.label_column= and dataset.text_column=, by name or number from 1"
        )
    return label, text, headed


def _place(name: str, header: list[str], given: str | None, option: str) -> int | None:
    """The place of a column that the user named. Raises DataError if there is none."""
    if given is None:
        return None
    names = [cell.casefold() for cell in header]
    if given.isdecimal() and 1 <= int(given) <= len(header):
        return int(given) - 1
    if given.casefold() in names:
        return names.index(given.casefold())
    raise DataError(
        f"dataset.{option}: {name} has no column {given!r}; choose one of "
        f"{', '.join(header)[:80]}, or a number from 1 to {len(header)}"
    )


def _is_header(label: int, rows: list[tuple[int, list[str]]]) -> bool:
    """Return whether the first row's label occurs nowhere else, while all others are repeated."""
    counts = Counter(cells[label].strip() for _, cells in rows)
    first = rows[0][1][label].strip()
    others = [count for value, count in counts.items() if value != first]
    return counts[first] == 1 and bool(others) and min(others) > 1
