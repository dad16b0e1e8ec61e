"""Any folder of text files: every file is a class (a document) of its sentences."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from crl.data.dataset import Dataset, cached_dataset
from crl.data.errors import DataError, some
from crl.data.files.cache import existing_root, stamps
from crl.data.files.folders import by_ending, is_ignored, is_text, no_texts, role_of, splits_among
from crl.data.text.characters import count_words
from crl.data.text.decoding import find_encodings, read_bytes
from crl.data.text.sentences import is_ended, split_sentences
from crl.data.text.tokens import TextOptions, text_dataset

_HOW = {"lines": "one sentence a line", "running": "running text, split into sentences"}


def load_documents(
    *, root: str | None, layout: str, min_sentences: int, encoding: str, **options: Any
) -> Dataset:
    """Load the ``*.txt`` files in a folder and its subfolders, each as a class.

    layout: "lines" for one sentence a line; "running" for paragraphs, which are split into
    sentences; "auto" to guess from the text. min_sentences: documents with fewer sentences are
    dropped and counted in a note. Repeated sentences of a document count once. encoding: see
    :func:`crl.data.text.decoding.find_encodings`. options: see
    :class:`crl.data.text.tokens.TextOptions`.

    Raises DataError for files that cannot be read, and for fewer than two documents.
    """
    folder = existing_root(root, "a folder of .txt files, one document each")
    found = sorted(
        f for f in folder.rglob("*") if not any(map(is_ignored, f.relative_to(folder).parts))
    )
    files = [f for f in found if is_text(f.name)]
    others = [f for f in found if not is_text(f.name) and f.is_file()]
    _check_no_splits(folder, files)
    if not files:
        instead = f", but files of other endings: {by_ending(others)}" if others else ""
        raise DataError(
            f"dataset.root: {root} holds no .txt file{instead}; one file per document is expected"
        )
    text_options = TextOptions(**options)

    def make() -> Dataset:
        contents: dict[str, bytes] = {}
        for path in (f.relative_to(folder) for f in files):
            name = str(path.with_suffix(""))  # a.txt and a.TXT are two documents
            contents[str(path) if name in contents else name] = read_bytes(folder / path)
        decoder = find_encodings(contents, contents.__getitem__, encoding)
        texts = {name: decoder.text(name, content) for name, content in contents.items()}
        chosen = guess_layout(list(texts.values())[:50]) if layout == "auto" else layout
        documents = {name: _sentences(text, chosen) for name, text in texts.items()}
        large, small = keep_large(documents, min_sentences)
        if len(large) < 2:
            raise DataError(
                f"dataset.root: {len(large)} of {len(documents)} documents have "
                f"{min_sentences} sentences; at least 2 are needed (dataset.min_sentences)"
                f"{_other_layout(texts, chosen, min_sentences)}"
            )
        notes = [*decoder.notes, f"{len(large)} documents read as {_HOW[chosen]}"]
        if small:
            notes.append(
                f"{len(small)} documents with fewer than {min_sentences} sentences dropped: "
                f"{some(small)}"
            )
        return text_dataset("documents", large, text_options, notes)

    key = {
        "files": stamps(files),
        "layout": layout,
        "encoding": encoding,
        "least": min_sentences,
        "text": vars(text_options),
    }
    dataset = cached_dataset("documents", key, make)
    return replace(dataset, notes=[*no_texts(others), *dataset.notes])


def _check_no_splits(folder: Path, files: list[Path]) -> None:
    """Raise DataError for folders or files of splits, which would be read as classes."""
    of_files = sorted(f.stem for f in files if role_of(f.stem))
    two = splits_among(files, folder)
    if two is None and len(of_files) == len(files) > 1:
        two = folder, of_files[0], of_files[-1]
    if two:
        place, one, other = two
        raise DataError(
            f"dataset.root: {place} holds {one} and {other}, which look like splits, not classes; "
            "here every file is a class, and its sentences are split; give one of the two as "
            "dataset.root, rename them, or use dataset=labelled_sentences or labelled_documents, "
            "which keep splits"
        )


def keep_large(
    documents: dict[str, list[str]], least: int
) -> tuple[dict[str, list[str]], list[str]]:
    """(documents with at least ``least`` sentences, names of the others)."""
    large = {name: sentences for name, sentences in documents.items() if len(sentences) >= least}
    return large, [name for name in documents if name not in large]


def guess_layout(texts: list[str]) -> str:
    """Guess the layout: "lines" or "running".

    It is "lines" if a line holds at most 1.3 sentences on average and at least 70 % of the lines
    end as a sentence does, or if sentences hardly ever end inside a line: there is no punctuation,
    as in titles and verses. Lines that are broken where a page is full hold many ends.
    """
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    ended = sum(map(is_ended, lines))
    sentences = sum(len(split_sentences(line)) for line in lines)
    one_a_line = ended >= 0.7 * len(lines) and sentences <= 1.3 * len(lines)
    unpunctuated = ended <= 0.1 * len(lines) and sentences <= 1.05 * len(lines)
    return "lines" if one_a_line or unpunctuated else "running"


def _other_layout(texts: dict[str, str], layout: str, least: int) -> str:
    """What to say about the layout that was not read, if it makes enough documents."""
    other = "running" if layout == "lines" else "lines"
    large, _ = keep_large({n: _sentences(text, other) for n, text in texts.items()}, least)
    if len(large) < 2:
        return ""
    return (
        f"; they were read as {_HOW[layout]}; as {_HOW[other]}, {len(large)} have enough: "
        f"dataset.layout={other}"
    )


def _sentences(text: str, layout: str) -> list[str]:
    """The distinct sentences of a text that have more than one word."""
    sentences = (
        split_sentences(text)
        if layout == "running"
        else [" ".join(line.split()) for line in text.splitlines()]
    )
    return [sentence for sentence in dict.fromkeys(sentences) if count_words(sentence) > 1]
