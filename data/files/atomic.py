"""Writing a file whole or not at all, and telling whether what is read is what was written."""

import hashlib
import json
import os
import shutil
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from data.files.plain import read_plain_json

# behind the zip that torch.save writes; whoever reads the zip looks past it
_TRAILER = b"\ncrl sha256 %s\n"
_TRAILER_SIZE = len(_TRAILER % (b"0" * 64))
_READ = 2**20


class DamagedFile(Exception):
    """A file that is not what was written, or cannot be read. The message names it and says how
    that shows."""


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A stream to a temporary file in the same folder, which takes the path's place once it is
    written and synced.

    The folder is synced too: after a power cut the file is there, new or old. Raises OSError that
    names the path.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(
            error.errno, error.strerror, str(path)
        ) from error  # not the temporary file, which is gone
    finally:
        with suppress(
            OSError
        ):  # it cannot be removed where nothing may be written any more; the next start tries again
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make what was named, renamed and deleted in it survive a power cut."""
    with suppress(OSError):  # some file systems cannot, and have nothing to gain
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Delete what killed processes left of writing these files; only for who alone may write them
    now."""
    for path in folder.glob(f".{name}.*.tmp"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Of a file's bytes, as hexadecimal digits."""
    with _opened(path) as stream:
        return _digest(stream)


def _opened(path: Path) -> BinaryIO:
    """Raises DamagedFile for a pipe, which would block, and a device, which may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise DamagedFile(f"{path} is not a regular file")
    return path.open("rb")


def write_json(path: Path, value: Any) -> None:
    """Write plain types as JSON, atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as stream:
        stream.write(text.encode())


def write_checked_json(path: Path, value: dict[str, Any]) -> None:
    """:func:`write_json` with one more entry, ``checksum``: the SHA-256 of the others' canonical
    JSON."""
    write_json(path, value | {"checksum": _canonical_digest(value)})


def read_checked_json(path: Path) -> dict[str, Any]:
    """What was given to :func:`write_checked_json`. Raises FileNotFoundError, or DamagedFile."""
    try:
        value = read_plain_json(path)
        found = value.pop("checksum", None)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise DamagedFile(f"{path} is damaged (no JSON of ours: {error})") from error
    if found is None:
        raise DamagedFile(f"{path} has no checksum (damaged, or written by an older crl)")
    if found != _canonical_digest(value):
        raise DamagedFile(f"{path} is damaged (its checksum differs)")
    return value


def _canonical_digest(value: dict[str, Any]) -> str:
    plain = json.loads(json.dumps(value))  # as it is read again: tuples are lists, keys are strings
    return hashlib.sha256(
        json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def save_tensors(path: Path, value: dict[str, Any]) -> None:
    """Write tensors and plain types atomically, with a checksum. ``torch.load`` reads the file as
    well. Raises OSError."""
    import torch

    with atomic_write(path) as stream:
        digesting = _Digesting(stream)
        torch.save(value, digesting)  # type: ignore[arg-type]
        if digesting.error is not None:
            raise digesting.error
        stream.write(_TRAILER % digesting.sha256.hexdigest().encode())


def load_tensors(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """What :func:`save_tensors` wrote; nothing in it is executed. Raises FileNotFoundError, or
    DamagedFile."""
    import torch

    try:
        with _opened(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            found = _digest(stream, size - _TRAILER_SIZE)
            if stream.read() != _TRAILER % found.encode():
                raise DamagedFile(f"{path} is damaged (its checksum differs)")
            stream.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's guesses about a damaged file
                return torch.load(stream, map_location=map_location, weights_only=True)
    except (FileNotFoundError, DamagedFile, MemoryError):
        raise
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror})") from error
    except Exception as error:  # torch raises many kinds for what it did not write
        raise DamagedFile(f"{path} is damaged ({type(error).__name__})") from error


def _digest(stream: BinaryIO, size: int | None = None) -> str:
    """SHA-256 of the next so many bytes, or of the rest."""
    found = hashlib.sha256()
    left = float("inf") if size is None else size
    while left > 0 and (block := stream.read(int(min(left, _READ)))):
        found.update(block)
        left -= len(block)
    return found.hexdigest()


class _Digesting:
    """A stream for torch.save that takes the checksum of what passes.

    What writing raises is kept in ``error`` until torch is done: on its way through torch it would
    become another.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.sha256 = hashlib.sha256()
        self.error: BaseException | None = None

    def write(self, block: Any) -> int:
        if self.error is None:
            try:
                self.stream.write(block)
                self.sha256.update(block)
            except BaseException as error:
                self.error = error
        return len(block)

    def flush(self) -> None:
        pass
