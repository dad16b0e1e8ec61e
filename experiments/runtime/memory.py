"""What to say when memory runs out: what was being done, what it took, what makes it smaller."""

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from crl.experiments.config.schema import Config
from crl.experiments.errors import OutOfMemory, is_out_of_memory, one_line

_ASKED = re.compile(r"(?:tried|unable) to allocate ([\d.]+) ?(bytes|\wiB)", re.IGNORECASE)
_FREE = re.compile(r"total capacity of ([\d.]+ \wiB) of which ([\d.]+ \wiB) is free")


@contextmanager
def naming_memory(doing: str, smaller: str) -> Iterator[None]:
    """Raise OutOfMemory if memory runs out inside.

    Its line says what was being done (``doing``) and which options make it smaller (``smaller``).
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"out of memory while {doing}{_took(error)}; {smaller}") from error


def reading_data(config: Config) -> tuple[str, str]:
    """The arguments of :func:`naming_memory` for reading the data set and its word vectors."""
    return f"reading dataset={config.dataset.name}", _lower(
        config, "dataset.points_per_class", "dataset.sentences_per_document", "dataset.image_size",
        "dataset.max_words", "encoder.embedding_dim",
    )  # fmt: skip


def training(config: Config) -> tuple[str, str]:
    """The arguments of :func:`naming_memory` for the training steps."""
    tuples = config.training.batch_size
    points = tuples * config.objective.points_per_tuple
    fresh = config.objective.negative_source == "fresh"
    return (
        f"training on training.batch_size={tuples} tuples a step ({points} points with "
        f"objective.block_size={config.objective.block_size} and "
        f"objective.negatives={config.objective.negatives})"
    ), _lower(
        config, "training.batch_size", "objective.block_size",
        *(["objective.negatives"] if fresh else []), "encoder.image_size", "encoder.width",
    )  # fmt: skip


def evaluation(config: Config) -> tuple[str, str]:
    """The arguments of :func:`naming_memory` for all that follows the training."""
    probe = "; or evaluation.attentive=false" if config.evaluation.attentive else ""
    return (
        f"evaluating with evaluation.batch_size={config.evaluation.batch_size} points at once"
    ), _lower(
        config, "evaluation.batch_size", "encoder.dimension", "dataset.points_per_class"
    ) + probe  # fmt: skip


def _lower(config: Config, *names: str) -> str:
    """Advise to lower those options that this configuration has, or to read less."""
    groups = (name.split(".") for name in names)
    there = [f"{group}.{name}" for group, name in groups if hasattr(getattr(config, group), name)]
    return f"lower {', '.join(there)}" if there else "give it more memory, or fewer points"


def _took(error: BaseException) -> str:
    """What is known: the bytes asked for, and those that the process or the device held."""
    text = " ".join(one_line(error).split())
    asked = _ASKED.search(text)
    free = _FREE.search(text)
    parts = []
    if asked:
        size = float(asked[1])
        parts.append(_shown(size) if asked[2] == "bytes" else f"{asked[1]} {asked[2]}")
        parts[-1] += " were asked for"
    if free:
        parts.append(f"{free[2]} of the device's {free[1]} were free")
    elif "CUDA" not in text:
        unit = 1 if sys.platform == "darwin" else 1024
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        parts.append(f"the process held up to {_shown(held)}")
    return f" ({', '.join(parts)})" if parts else ""


def _shown(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
