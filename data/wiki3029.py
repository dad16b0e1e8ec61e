"""Wiki-3029 (Arora et al. 2019) and data in its format: one file per article, one sentence a line."""

import io
import lzma
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.error import URLError

from torchvision.datasets.utils import download_url

from data.cache import data_home, find, locked, stamps
from data.dataset import Dataset
from data.documents import read_text
from data.errors import DataError
from data.prepared import prepared
from data.text import TextOptions, text_dataset

URL = "https://nlp.cs.princeton.edu/CURL/Wiki-3029.tar.gz"
_NAMES = ("Wiki-3029", "Wiki-3029.tar.gz")
_LARGEST_FILE = 64 * 2**20  # bytes; an article has about 30 kB
_LARGEST_ARCHIVE = 4 * 2**30  # bytes of all files together
_LEAST = 10  # sentences: with fewer, 70/10/20 leaves a split of the class empty


def load_wiki3029(root: str | None, **text: object) -> Dataset:
    """Every ``*.txt`` in the folder or archive is a class; undecodable bytes are replaced; 70/10/20 % per class.

    root is the folder of files, a ``.tar`` archive of it, or a folder that holds either under its own name. Without
    root the archive is searched where crl keeps its data and downloaded if it is not there.
    """
    options = TextOptions(**text)  # type: ignore[arg-type]
    source = _source(root)

    def make() -> Dataset:
        texts = _read_archive(source) if source.is_file() else {f.stem: read_text(f) for f in _files(source)}
        documents = {name: [line for line in body.split("\n") if line.strip()] for name, body in texts.items()}
        if not documents:
            raise DataError(f"{source} holds no .txt file; one file per article, one sentence a line, is expected")
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
        found = Path(root).expanduser()
    if found is None:
        found = data_home() / _NAMES[1]
        with locked(found):
            if not found.exists():
                _download(found)
    return found


def _download(target: Path) -> None:
    part = f"part-{target.name}"  # under its own name only once it is whole
    try:
        download_url(URL, str(target.parent), part)
        (target.parent / part).replace(target)
    except (URLError, OSError, RuntimeError) as error:
        (target.parent / part).unlink(missing_ok=True)
        raise DataError(f"Wiki-3029 cannot be downloaded ({error}); set dataset.root to a copy of it") from error


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.glob("*.txt") if not f.name.startswith("."))


def _read_archive(path: Path) -> dict[str, str]:
    """Text of every .txt member, read in memory: nothing is unpacked to disk, links and odd paths are never followed."""
    texts: dict[str, str] = {}
    total = 0
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isfile() or name.suffix != ".txt" or name.name.startswith("."):
                    continue
                total += member.size
                if member.size > _LARGEST_FILE or total > _LARGEST_ARCHIVE:
                    raise DataError(f"{path}: {member.name!r} makes the archive larger than any Wiki-3029; refused")
                stream = archive.extractfile(member)
                assert stream is not None  # a regular file always has one
                # As read_text reads a file: universal line ends too.
                texts[name.stem] = io.TextIOWrapper(io.BytesIO(stream.read()), "utf-8", "replace").read()
            assert archive.fileobj is not None  # it is open
            # tarfile ends quietly at a damaged header, and a checksum is compared only at the very end of the file.
            while rest := archive.fileobj.read(2**20):
                if rest.strip(b"\0"):
                    raise tarfile.ReadError("damaged header")
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        why = str(error).split(":\n")[0]
        raise DataError(f"{path} is not a readable tar archive ({why}); give Wiki-3029.tar.gz or its folder") from error
    return texts
