"""Paths as people type them. Free of torch and Hydra."""

from pathlib import Path

from experiments.errors import ConfigError


def expanded(path: str) -> Path:
    """The path with ``~`` or ``~user`` replaced. Raises ConfigError for one that no file can
    have."""
    try:
        place = Path(path).expanduser()
        place.exists()
    except RuntimeError as error:
        raise ConfigError(f"{path}: there is no such user") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return place
