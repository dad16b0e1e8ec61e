"""The lock that keeps other processes out of a run folder. Imports no torch."""

from pathlib import Path

from filelock import FileLock, Timeout


def run_lock(folder: Path) -> FileLock:
    """The lock of a run folder, not yet taken."""
    return FileLock(folder / ".lock")


def is_locked(folder: Path) -> bool:
    """Return whether a process is working on the run; no file is made.

    The only way to find out is to take the lock for an instant. A run that starts at that instant
    waits for it.
    """
    if not (folder / ".lock").exists():
        return False
    try:
        with run_lock(folder).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # another user's folder, whose lock cannot be taken
        return False
