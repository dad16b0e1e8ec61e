"""Archives as they may come from anybody: bounded, read in memory, or of them a few known files
unpacked."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from tqdm import tqdm

from data.errors import DataError
from data.files.atomic import atomic_write

_LARGEST_FILE = 64 * 2**20  # bytes of a text; an article has about 30 kB
_LARGEST_BINARY = 2**28  # bytes of any other file; CIFAR-100 has one of 155 MB
_LARGEST_ARCHIVE = 4 * 2**30  # bytes of all that it unpacks to
_MOST_FILES = 2**20  # IMDb has 100,000
_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
# RecursionError: a long chain of extended headers; ValueError, OverflowError: numbers in headers
# that are none
_DAMAGED = (
    tarfile.TarError,
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    OverflowError,
    RecursionError,
)


def read_texts(
    path: Path, key: Callable[[PurePosixPath], str | None], wanted: str
) -> dict[str, str]:
    """``key(name)`` -> text of every .txt member of a tar archive; a member whose key is None is
    passed over.

    Nothing is unpacked to disk, and links are never followed. Line ends and undecodable bytes are
    treated as :func:`data.datasets.documents.read_text` treats those of a file. Raises DataError,
    which says what is ``wanted``, for what is no archive, a damaged one, and one that would fill
    the memory.
    """
    texts: dict[str, str] = {}
    with _opened(path, wanted, _LARGEST_FILE) as archive:
        for member in tqdm(
            _members(archive), desc=f"reading {path.name}", unit=" files", disable=None, leave=False
        ):
            name = PurePosixPath(member.name)
            if not member.isfile() or name.suffix != ".txt" or name.name.startswith("."):
                continue
            if (place := key(name)) is not None:
                texts[place] = io.TextIOWrapper(
                    io.BytesIO(_content(archive, member, _LARGEST_FILE)), "utf-8", "replace"
                ).read()
    return texts


def unpack(path: Path, md5s: Mapping[str, str], folder: Path, wanted: str) -> None:
    """Put the members ``<name of the folder>/<name>`` with these md5s into the folder, which
    appears whole or not at all.

    Raises DataError, which says what is ``wanted``, for an archive that has not all of them, and as
    :func:`read_texts`; OSError where the folder cannot be written.
    """
    places = {f"{folder.name}/{name}": name for name in md5s}
    found = {}
    with _opened(path, wanted, _LARGEST_BINARY) as archive:
        for member in _members(archive):
            if member.isfile() and (name := places.get(member.name)) is not None:
                content = _content(archive, member, _LARGEST_BINARY)
                if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5s[name]:
                    found[name] = content
    if absent := md5s.keys() - found.keys():
        raise DataError(
            f"{path} is not {wanted}: {min(absent)} is missing or damaged in it; delete it or replace it"
        )
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        for name, content in found.items():
            with atomic_write(temporary / name) as stream:
                stream.write(content)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _opened(path: Path, wanted: str, largest: int) -> Iterator[tarfile.TarFile]:
    """A tar archive, packed or not, of members of at most ``largest`` bytes; what is wrong with it
    becomes a DataError."""
    try:
        with path.open("rb") as file:
            packed = next(
                (opener for magic, opener in _PACKED.items() if file.peek(8).startswith(magic)),
                None,
            )
            with packed(file) if packed else nullcontext(file) as stream:
                bounded = _Bounded(stream, largest)
                with tarfile.open(fileobj=cast(BinaryIO, bounded), mode="r:") as archive:
                    yield archive
                # tarfile ends quietly at a damaged header and at the end of a file that is cut, and
                # a checksum is compared only at the very end of the file.
                if bounded.last != b"\0" * tarfile.BLOCKSIZE:
                    raise tarfile.ReadError("damaged header, or its end is missing")
                while rest := bounded.read(tarfile.RECORDSIZE):
                    if rest.strip(b"\0"):
                        raise tarfile.ReadError("damaged header")
    except _Excess as error:
        raise DataError(f"{path} unpacks to more than {wanted} can; refused") from error
    except _DAMAGED as error:
        why = str(error).split(":\n")[0] or type(error).__name__
        raise DataError(
            f"{path} is not a readable tar archive ({why}); give {wanted} or its folder"
        ) from error


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Every member in turn, none of them kept."""
    for count, member in enumerate(iter(archive.next, None)):
        if count == _MOST_FILES:
            raise _Excess
        archive.members.clear()  # type: ignore[attr-defined]
        yield member


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, largest: int) -> bytes:
    if member.size > largest:
        raise _Excess
    if member.issparse():  # holes would unpack to what no byte of the archive stands for
        raise tarfile.ReadError("sparse file in it")
    stream = archive.extractfile(member)
    assert stream is not None  # a regular file always has one
    return stream.read()


class _Excess(Exception):
    """More than an archive may hold."""


class _Bounded:
    """The unpacked bytes of an archive, as many as it may have; what its headers claim is never
    believed beyond that."""

    def __init__(self, stream: BinaryIO, largest: int) -> None:
        self.stream, self.largest, self.last = stream, largest, b""

    def read(self, size: int) -> bytes:
        if size > self.largest:
            raise _Excess
        self.last = self.stream.read(size)
        if self.stream.tell() > _LARGEST_ARCHIVE:
            raise _Excess
        return self.last

    def seek(self, position: int) -> int:
        if position > _LARGEST_ARCHIVE:
            raise _Excess
        return self.stream.seek(position)

    def tell(self) -> int:
        return self.stream.tell()
