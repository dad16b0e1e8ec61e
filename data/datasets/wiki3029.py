"""Wiki-3029 (Arora et al. 2019) and data in its format: one file per article, one sentence a
line."""

from pathlib import Path

from data.dataset import Dataset
from data.datasets.cached import prepared
from data.datasets.documents import read_text
from data.errors import DataError
from data.files.archive import read_texts
from data.files.cache import expanded, find, stamps
from data.files.download import Source, fetched
from data.text.tokens import TextOptions, text_dataset

# Neither its sha256 nor its size is published anywhere that we know of.
SOURCE = Source(
    "https://nlp.cs.princeton.edu/CURL/Wiki-3029.tar.gz", "Wiki-3029.tar.gz", "Wiki-3029"
)
_NAMES = ("Wiki-3029", SOURCE.name)
_LEAST = 10  # sentences: with fewer, 70/10/20 leaves a split of the class empty


def load_wiki3029(root: str | None, **text: object) -> Dataset:
    """Every ``*.txt`` in the folder or archive is a class; undecodable bytes are replaced; 70/10/20
    % per class.

    root is the folder of files, a ``.tar`` archive of it, or a folder that holds either under its
    own name. Without root the archive is searched where crl keeps its data and downloaded if it is
    not there.
    """
    options = TextOptions(**text)  # type: ignore[arg-type]
    source = _source(root)

    def make() -> Dataset:
        texts = (
            _archived(source)
            if source.is_file()
            else {f.stem: read_text(f) for f in _files(source)}
        )
        documents = {
            name: [line for line in body.split("\n") if line.strip()]
            for name, body in texts.items()
        }
        if not documents:
            raise DataError(
                f"{source} holds no .txt file; one file per article, one sentence a line, is expected"
            )
        for name, sentences in documents.items():
            if len(sentences) < _LEAST:
                raise DataError(
                    f"{source}: article {name!r} has {len(sentences)} sentence(s); at least {_LEAST} are needed, "
                    "or use dataset=documents, which drops small ones"
                )
        return text_dataset("wiki3029", documents, options)

    members = [source] if source.is_file() else _files(source)
    return prepared("wiki3029", {"files": stamps(members), "text": vars(options)}, make)


def _source(root: str | None) -> Path:
    found = find(root, *_NAMES)
    if found is None and root is not None:
        found = expanded(root)
    return fetched(SOURCE) if found is None else found


def _archived(path: Path) -> dict[str, str]:
    """Texts by title; a member counts by its last name alone, wherever the archive would put it."""
    return read_texts(path, lambda name: name.stem, SOURCE.name)


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.glob("*.txt") if not f.name.startswith("."))
