"""Tar archives from anybody: read texts in memory or unpack known files, within bounds."""

import bz2
import gzip
import hashlib
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

from crl.data.errors import DataError
from crl.data.files.atomic import atomic_write

_LARGEST_FILE = 64 * 2**20  # bytes of a text; an article has about 30 kB
_LARGEST_BINARY = 2**28  # bytes of any other file; CIFAR-100 has one of 155 MB
_LARGEST_ARCHIVE = 4 * 2**30  # bytes of all that it unpacks to
_MOST_FILES = 2**20  # IMDb has 100,000
_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
# What reading a damaged archive raises: RecursionError for a long chain of extended headers;
# ValueError and OverflowError for headers that hold no number where one belongs.
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


def read_files(
    path: Path, key: Callable[[PurePosixPath], str | None], wanted: str
) -> dict[str, bytes]:
    """Return ``key(name)`` -> content for the files in a tar archive that are not hidden.

    Files whose key is None are skipped. Nothing is unpacked to disk, and links are not followed.

    Raises DataError for a file that is no tar archive, is damaged, or would fill the memory.
    ``wanted``: the archive that its message asks for.
    """
    contents: dict[str, bytes] = {}
    with _open_archive(path, wanted, _LARGEST_FILE) as archive:
        for member in tqdm(
            _members(archive), desc=f"reading {path.name}", unit=" files", disable=None, leave=False
        ):
            name = PurePosixPath(member.name)
            if not member.isfile() or name.name.startswith("."):
                continue
            if (title := key(name)) is not None:
                contents[title] = _content(archive, member, _LARGEST_FILE)
    return contents


def unpack(path: Path, md5s: Mapping[str, str], folder: Path, wanted: str) -> None:
    """Unpack the files ``<name of the folder>/<name>`` that have these md5s into the folder.

    The folder appears whole or not at all. Raises DataError if one of the files is missing, and as
    :func:`read_files`; OSError if the folder cannot be written.
    """
    names = {f"{folder.name}/{name}": name for name in md5s}
    contents = {}
    with _open_archive(path, wanted, _LARGEST_BINARY) as archive:
        for member in _members(archive):
            if member.isfile() and (name := names.get(member.name)) is not None:
                content = _content(archive, member, _LARGEST_BINARY)
                if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5s[name]:
                    contents[name] = content
    if absent := md5s.keys() - contents.keys():
        raise DataError(
            f"{path} is not {wanted}: {min(absent)} is missing or damaged in it; "
            "delete it or replace it"
        )
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        for name, content in contents.items():
            with atomic_write(temporary / name) as stream:
                stream.write(content)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _open_archive(path: Path, wanted: str, largest: int) -> Iterator[tarfile.TarFile]:
    """Open a tar archive, compressed or not, with members of at most ``largest`` bytes.

    Raises DataError if the archive is damaged or too large, now or while it is read.
    """
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
                # tarfile ends without an error at a damaged header and at the end of a file that
                # is cut off. A checksum is compared only at the very end of the file.
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
    """Yield every member; tarfile's own list of them stays empty."""
    for count, member in enumerate(iter(archive.next, None)):
        if count == _MOST_FILES:
            raise _Excess
        archive.members.clear()  # type: ignore[attr-defined]
        yield member


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, largest: int) -> bytes:
    if member.size > largest:
        raise _Excess
    if member.issparse():  # its holes unpack to bytes that the archive does not hold
        raise tarfile.ReadError("sparse file in it")
    stream = archive.extractfile(member)
    assert stream is not None  # a regular file always has one
    return stream.read()


class _Excess(Exception):
    """More than an archive may hold."""


class _Bounded:
    """A stream of the unpacked bytes of an archive that raises _Excess beyond its bounds.

    A single read of more than ``largest`` bytes is refused too, whatever a header claims.
    """

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
