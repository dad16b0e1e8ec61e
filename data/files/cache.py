"""Prepared data on disk: made once, written whole or not at all, by one process at a time."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

from data.errors import DataError
from data.files.atomic import DamagedFile, load_tensors, remove_leftovers, save_tensors

_FORMAT = 2  # raise it when the same key prepares something else than before


def data_home() -> Path:
    """``$CRL_DATA`` if set, else the platform's cache folder for crl."""
    return expanded(os.environ.get("CRL_DATA") or user_cache_dir("crl", appauthor=False))


def expanded(path: str | Path) -> Path:
    """The path with ``~`` or ``~user`` replaced, where there is such a user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def find(root: str | None, *names: str) -> Path | None:
    """The first of the named files or folders under root, or without a root under
    :func:`data_home`.

    Raises DataError if a root is given that does not exist.
    """
    if root is not None and not _exists(expanded(root)):
        wanted = "an existing folder" if names[0] == "." else f"the folder that holds {names[0]}"
        raise DataError(f"dataset.root: {root} does not exist; give {wanted}")
    base = data_home() if root is None else expanded(root)
    return next((base / name for name in names if (base / name).exists()), None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that is not ours to read
        return False


def stamps(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Path, size and time of change of every file, for a key. Raises DataError where one cannot be
    read."""
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror}); remove or replace it"
            ) from error
        if not stat.S_ISREG(status.st_mode):  # a pipe would block, a device never end
            raise DataError(f"{path} is not a regular file; remove or replace it")
        found.append((str(path), status.st_size, status.st_mtime_ns))
    return found


def cached(
    name: str, key: dict[str, object], make: Callable[[], dict[str, object]]
) -> dict[str, object]:
    """What ``make()`` returned when first called with this name and key.

    The values are tensors and plain types; the key says everything that the value depends on.
    Raises DataError where the cache cannot be written.
    """
    digest = hashlib.sha256(json.dumps([_FORMAT, key], sort_keys=True).encode()).hexdigest()[:16]
    path = data_home() / "prepared" / f"{name}-{digest}.pt"
    with locked(path):
        if path.exists():
            return _load(path)
        remove_leftovers(path.parent, path.name)
        value = make()
        try:
            save_tensors(path, value)
        except OSError as error:
            raise _unwritable(path.parent, error) from error
        return value


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time makes what belongs at the path, whose folder is made. Raises DataError
    if it cannot be.

    The others wait. The kernel frees the lock of a process that ends, however it ends.
    """
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except NotImplementedError as error:
        raise DataError(
            f"cache {path.parent}: its file system knows no locks; set CRL_DATA to a folder of another"
        ) from error
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"cache {folder}: {error.strerror or error}; set CRL_DATA to a writable folder"
    )


def _load(path: Path) -> dict[str, object]:
    try:
        return load_tensors(path)
    except DamagedFile as error:
        raise DataError(f"cache {error}; delete it and start again") from error
