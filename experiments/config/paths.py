"""Paths as people type them. Imports neither torch nor Hydra."""

from pathlib import Path

from crl.data.files.cache import expand_user
from crl.experiments.errors import ConfigError


def expanded(path: str) -> Path:
    """The path with ``~`` or ``~user`` replaced. Raises ConfigError if no file can have it."""
    if not path:
        raise ConfigError("a path is missing")
    place = expand_user(path)
    if place.parts[:1] and place.parts[0].startswith("~"):
        raise ConfigError(f"{path}: there is no such user")
    try:
        place.exists()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a zero byte in it
        raise ConfigError(f"{path!r}: {error}") from error
    return place
