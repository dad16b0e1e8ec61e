"""What a study writes: its numbers as JSON, and a figure a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.files.atomic import atomic_write, write_json
from experiments.drawing import Figure
from experiments.errors import ConfigError


def write_study(out: Path, name: str, plain: Any, figures: Sequence[Figure]) -> list[Path]:
    """``<name>.json`` and ``<slug>.svg`` of every figure in ``out``: their paths. Raises
    ConfigError where it cannot be written."""
    written = [out / f"{name}.json", *(out / f"{figure.slug}.svg" for figure in figures)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(written[0], plain)
        for path, figure in zip(written[1:], figures, strict=True):
            with atomic_write(path) as stream:
                stream.write(figure.standalone().encode())
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written ({error.strerror}); choose another folder with out=PATH"
        ) from error
    return written
