"""Wiki-3029 (Arora et al. 2019): sentences of 3,029 Wikipedia articles, 200 of each.

Data in the same format can be loaded too: one file per article, one sentence a line
(``crl data build-wiki`` makes it from a Wikipedia dump).
"""

from dataclasses import replace
from typing import Any

from crl.data.dataset import Dataset, cached_dataset
from crl.data.errors import DataError
from crl.data.files.archive import read_files
from crl.data.files.cache import stamps
from crl.data.files.download import Source, find_or_fetch
from crl.data.files.folders import is_ignored, is_text, no_texts
from crl.data.text.decoding import find_encodings, read_bytes
from crl.data.text.tokens import TextOptions, text_dataset

# We know of no page that publishes its sha256 or its size.
SOURCE = Source(
    "https://nlp.cs.princeton.edu/CURL/Wiki-3029.tar.gz", "Wiki-3029.tar.gz", "Wiki-3029"
)
NAMES = ("Wiki-3029", SOURCE.name)  # what the data may be called in their folder
_LEAST = 10  # sentences; with fewer, a split 70/10/20 may leave a class without a point


def load_wiki3029(*, root: str | None, encoding: str, **options: Any) -> Dataset:
    """Load every ``*.txt`` in a folder or archive as a class; its lines are the points.

    root: the folder of files, a ``.tar`` archive of it, or a folder that holds either under its own
    name. Without root, the archive is searched in :func:`crl.data.files.cache.data_home`; if it is
    not there, it is downloaded from the authors' site. options: see
    :class:`crl.data.text.tokens.TextOptions`; the paper splits every class 70/10/20. encoding: see
    :func:`crl.data.text.decoding.find_encodings`.

    Raises DataError if the articles are missing, damaged, too short, or cannot be had.
    """
    text_options = TextOptions(**options)
    source = find_or_fetch(root, SOURCE, *NAMES)
    inside = [] if source.is_file() else sorted(source.iterdir())
    named = [f for f in inside if not is_ignored(f.name)]
    files = [source] if source.is_file() else [f for f in named if is_text(f.name)]
    others = [f for f in named if not is_text(f.name) and f.is_file()]

    def make() -> Dataset:
        # A title is the last part of a name, wherever it lies in an archive.
        contents = (
            read_files(source, lambda name: name.stem if is_text(name.name) else None, SOURCE.name)
            if source.is_file()
            else {file.stem: read_bytes(file) for file in files}
        )
        decoder = find_encodings(contents, contents.__getitem__, encoding)
        documents = {
            title: [line for line in decoder.text(title, content).split("\n") if line.strip()]
            for title, content in contents.items()
        }
        if not documents:
            raise DataError(
                f"{source} holds no .txt file; "
                "one file per article, one sentence a line, is expected"
            )
        for name, sentences in documents.items():
            if len(sentences) < _LEAST:
                raise DataError(
                    f"{source}: article {name!r} has {len(sentences)} sentence(s); "
                    f"at least {_LEAST} are needed, or use dataset=documents, "
                    "which drops small ones"
                )
        return text_dataset("wiki3029", documents, text_options, decoder.notes)

    key: dict[str, object] = {
        "files": stamps(files),
        "encoding": encoding,
        "text": vars(text_options),
    }
    dataset = cached_dataset("wiki3029", key, make)
    return replace(dataset, notes=[*no_texts(others), *dataset.notes])
