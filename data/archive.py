"""Archives of text files: downloaded whole or not at all, read in memory."""

import io
import lzma
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.error import URLError

from torchvision.datasets.utils import download_url
from tqdm import tqdm

from data.cache import data_home, locked
from data.errors import DataError

_LARGEST_FILE = 64 * 2**20  # bytes; an article has about 30 kB
_LARGEST_ARCHIVE = 4 * 2**30  # bytes of all files together


def downloaded(url: str, name: str, what: str, md5: str | None = None) -> Path:
    """The file of that name where crl keeps its data, fetched if it is not there and then compared with its md5.

    Raises DataError, which calls the data ``what``, where it cannot be fetched whole.
    """
    target = data_home() / name
    with locked(target):
        if not target.exists():
            part = target.with_name(f"part-{name}")  # under its own name only once it is whole
            try:
                download_url(url, str(target.parent), part.name, md5)
                part.replace(target)
            except (URLError, OSError, RuntimeError) as error:
                part.unlink(missing_ok=True)
                raise DataError(f"{what} cannot be downloaded ({error}); set dataset.root to a copy of it") from error
    return target


def read_texts(path: Path, key: Callable[[PurePosixPath], str | None], wanted: str) -> dict[str, str]:
    """``key(name)`` -> text of every .txt member of a tar archive; a member whose key is None is passed over.

    Nothing is unpacked to disk, and links are never followed. Line ends and undecodable bytes are treated as
    :func:`data.documents.read_text` treats those of a file. Raises DataError, which says what is ``wanted``, for what is
    no archive, a damaged one, and one that would fill the memory.
    """
    texts: dict[str, str] = {}
    total = 0
    try:
        with tarfile.open(path) as archive:
            for member in tqdm(archive, desc=f"reading {path.name}", unit=" files", disable=None, leave=False):
                name = PurePosixPath(member.name)
                if not member.isfile() or name.suffix != ".txt" or name.name.startswith("."):
                    continue
                if (place := key(name)) is None:
                    continue
                total += member.size
                if member.size > _LARGEST_FILE or total > _LARGEST_ARCHIVE:
                    raise DataError(f"{path}: {member.name!r} makes the archive larger than {wanted} can be; refused")
                stream = archive.extractfile(member)
                assert stream is not None  # a regular file always has one
                texts[place] = io.TextIOWrapper(io.BytesIO(stream.read()), "utf-8", "replace").read()
            assert archive.fileobj is not None  # it is open
            # tarfile ends quietly at a damaged header, and a checksum is compared only at the very end of the file.
            while rest := archive.fileobj.read(2**20):
                if rest.strip(b"\0"):
                    raise tarfile.ReadError("damaged header")
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        why = str(error).split(":\n")[0]
        raise DataError(f"{path} is not a readable tar archive ({why}); give {wanted} or its folder") from error
    return texts
