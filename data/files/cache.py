"""The folder for crl's data, and prepared data in it.

Prepared data are made once, by one process at a time, and written whole or not at all.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

from crl.data.errors import DataError, unusable
from crl.data.files.atomic import DamagedFile, load_tensors, remove_leftovers, save_tensors

_FORMAT = 4  # raise it when the same key prepares other data than before


def data_home() -> Path:
    """The folder for crl's data: ``$CRL_DATA`` if set, else crl's cache folder on this platform."""
    return expand_user(os.environ.get("CRL_DATA") or user_cache_dir("crl", appauthor=False))


def expand_user(path: str | Path) -> Path:
    """Replace ``~`` or ``~user`` in a path; without such a user, the path stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises without the user


def existing_root(root: str | None, wanted: str) -> Path:
    """The path of ``dataset.root``. Raises DataError if it is missing or nothing is there.

    ``wanted``: what the message asks for.
    """
    if root is None:
        raise DataError(f"dataset.root: missing; give {wanted}")
    path = expand_user(root)
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for too long a name
        raise DataError(f"dataset.root: {root} does not exist; give {wanted}")
    return path


def find(root: str | None, *names: str) -> Path | None:
    """The first of these files or folders that is in root, or in :func:`data_home` without root.

    Raises DataError if root does not exist.
    """
    wanted = f"the folder that holds {names[0]}"
    base = data_home() if root is None else existing_root(root, wanted)
    return next((base / name for name in names if (base / name).exists()), None)


def stamps(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """(path, size in bytes, time of change in ns) of every file, for a key.

    Raises DataError that names those that cannot be read.
    """
    stamped, faults = [], []
    for path in files:
        try:
            status = path.stat()
        except OSError as error:
            dangling = isinstance(error, FileNotFoundError) and path.is_symlink()
            why = "links to no file" if dangling else f"cannot be read ({error.strerror})"
            faults.append(f"{path} {why}")
            continue
        if not stat.S_ISREG(status.st_mode):  # reading a pipe blocks, a device may never end
            faults.append(f"{path} is not a regular file")
        stamped.append((str(path), status.st_size, status.st_mtime_ns))
    if faults:
        raise unusable(faults, "files cannot be used")
    return stamped


def cached(
    name: str, key: dict[str, object], make: Callable[[], dict[str, object]]
) -> dict[str, object]:
    """Return what ``make()`` returned at the first call with this name and key.

    The values are tensors and plain types. The key holds all that they depend on. Raises DataError
    if the cache cannot be written, or is damaged.
    """
    digest = hashlib.sha256(json.dumps([_FORMAT, key], sort_keys=True).encode()).hexdigest()[:16]
    path = data_home() / "prepared" / f"{name}-{digest}.pt"
    with locked(path):
        if path.exists():
            try:
                return load_tensors(path)
            except DamagedFile as error:
                raise DataError(f"cache {error}; delete it and start again") from error
        remove_leftovers(path.parent, path.name)
        value = make()
        try:
            save_tensors(path, value)
        except OSError as error:
            raise _unwritable(path.parent, error) from error
        return value


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time make what belongs at the path; the others wait.

    The folder of the path is made. The kernel frees the lock when its process ends, even if it is
    killed. Raises DataError if the folder or the lock cannot be made.
    """
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except NotImplementedError as error:
        raise DataError(
            f"cache {path.parent}: its file system has no locks; "
            "set CRL_DATA to a folder on another file system"
        ) from error
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()


def _unwritable(folder: Path, error: OSError) -> DataError:
    why = error.strerror or error
    return DataError(f"cache {folder}: {why}; set CRL_DATA to a writable folder")
