"""Files written whole or not at all, with checksums that show any later damage."""

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

from crl.data.files.untrusted import read_plain_json

# Follows the zip archive that torch.save writes; readers of zip archives ignore it.
_TRAILER = b"\ncrl sha256 %s\n"
_TRAILER_SIZE = len(_TRAILER % (b"0" * 64))
_BLOCK = 2**20  # bytes read at a time


class DamagedFile(Exception):
    """A file that differs from what was written, or cannot be read.

    The message names the file and the sign of the damage.
    """


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside the path; once written and synced, it replaces the path.

    The folder is synced too: after a power cut the file is there, old or new. Raises OSError that
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
        # Name the path instead of the temporary file, which is gone.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        # This fails where nothing can be written any more; the next start tries again.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make what was named, renamed and deleted in a folder survive a power cut."""
    with suppress(OSError):  # some file systems cannot sync a folder and gain nothing by it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Delete temporary files that killed processes left when they wrote files of this name.

    Call it only while no other process may write these files.
    """
    for path in folder.glob(f".{name}.*.tmp"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits. Raises DamagedFile if it is not regular."""
    with _open_regular(path) as stream:
        return _digest(stream)


def write_json(path: Path, value: Any) -> None:
    """Write plain types as JSON, atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as stream:
        stream.write(text.encode())


def write_checked_json(path: Path, value: dict[str, Any]) -> None:
    """Write plain types as JSON, atomically, with one more entry, ``checksum``.

    It is the SHA-256 of the canonical JSON of the other entries.
    """
    write_json(path, value | {"checksum": _canonical_digest(value)})


def read_checked_json(path: Path) -> dict[str, Any]:
    """Return what :func:`write_checked_json` wrote. Raises FileNotFoundError, or DamagedFile."""
    try:
        value = read_plain_json(path)
        checksum = value.pop("checksum", None)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise DamagedFile(f"{path} is damaged (no JSON of ours: {error})") from error
    if checksum is None:
        raise DamagedFile(f"{path} has no checksum (damaged, or written by an older crl)")
    if checksum != _canonical_digest(value):
        raise DamagedFile(f"{path} is damaged (its checksum differs)")
    return value


def save_tensors(path: Path, value: dict[str, Any]) -> None:
    """Write tensors and plain types atomically, with a checksum. Raises OSError.

    ``torch.load`` can read the file too.
    """
    import torch

    with atomic_write(path) as stream:
        digesting = _Digesting(stream)
        torch.save(value, digesting)  # type: ignore[arg-type]
        if digesting.error is not None:
            raise digesting.error
        stream.write(_TRAILER % digesting.sha256.hexdigest().encode())


def load_tensors(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return what :func:`save_tensors` wrote, without executing anything in the file.

    Raises FileNotFoundError, or DamagedFile.
    """
    import torch

    try:
        with _open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            digest = _digest(stream, size - _TRAILER_SIZE)
            if stream.read() != _TRAILER % digest.encode():
                raise DamagedFile(f"{path} is damaged (its checksum differs)")
            stream.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch guesses why a damaged file fails
                return torch.load(stream, map_location=map_location, weights_only=True)
    except (FileNotFoundError, DamagedFile, MemoryError):
        raise
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read ({error.strerror})") from error
    except Exception as error:  # torch raises errors of many kinds for a foreign file
        raise DamagedFile(f"{path} is damaged ({type(error).__name__})") from error


def _open_regular(path: Path) -> BinaryIO:
    """Open a file. Raises DamagedFile for a pipe, which blocks, and a device, which may not end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise DamagedFile(f"{path} is not a regular file")
    return path.open("rb")


def _digest(stream: BinaryIO, size: int | None = None) -> str:
    """SHA-256 of the next ``size`` bytes, or of the rest."""
    digest = hashlib.sha256()
    left = float("inf") if size is None else size
    while left > 0 and (block := stream.read(int(min(left, _BLOCK)))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def _canonical_digest(value: dict[str, Any]) -> str:
    plain = json.loads(json.dumps(value))  # as it is read back: lists for tuples, keys are strings
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class _Digesting:
    """A stream for torch.save that takes the checksum of all that is written.

    ``error`` holds an error of writing until torch is done: torch would turn it into another one.
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
