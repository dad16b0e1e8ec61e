"""Paths as people type them. Imports neither torch nor Hydra."""

from pathlib import Path

from crl.data.files.cache import expand_user
from crl.experiments.errors import ConfigError


def expanded(path: str) -> Path:
    """The path with ``~`` or ``~user`` replaced. Raises ConfigError if no file can have it.

    A file or folder here whose own name begins with ``~`` is taken if there is no such user.
    """
    if not path:
        raise ConfigError("a path is missing")
    place = expand_user(path)
    try:
        exists = place.exists()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a zero byte in it
        raise ConfigError(f"{path!r}: {error}") from error
    if not exists and path.startswith("~") and place == Path(path):
        raise ConfigError(
            f"{path}: there is no such user, and no such file; ./ before it makes it a plain name"
        )
    return place
