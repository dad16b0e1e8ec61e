"""What installed packages give a run, checked before anything is trained.

A package may do anything. What goes wrong in it is one line that names it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch import Tensor, nn

from crl.data.dataset import Dataset, Split
from crl.data.errors import DataError
from crl.data.points import Documents, Images, Sentences, Vectors
from crl.data.text.tokens import as_sentences
from crl.data.tuples import TupleBatch, TupleSampler
from crl.encoders.failures import first_line
from crl.experiments.config.choices import Choices
from crl.experiments.config.datasets import DATASETS
from crl.experiments.config.encoders import ENCODERS
from crl.experiments.config.objectives import OBJECTIVES
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError, RunError, is_out_of_memory
from crl.experiments.training.objectives import Objective

_KINDS: dict[str, tuple[type, ...]] = {
    "images": (Images,),
    "sentences": (Sentences, Documents),
    "features": (Vectors,),
}


@contextmanager
def blaming(choices: Choices, name: str) -> Iterator[None]:
    """Name the package if an installed choice fails here; crl's own fail as ever.

    Raises ConfigError.
    """
    try:
        yield
    except (ConfigError, DataError, RunError):
        raise
    except (Exception, SystemExit) as error:
        if name in choices.own or is_out_of_memory(error):
            raise
        last = extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        raise _fault(choices, name, f"fails ({first_line(error)}; {where})") from error


def _fault(choices: Choices, name: str, what: str) -> ConfigError:
    target = choices[name].target
    shown = target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))
    return ConfigError(f"{choices.group}={name}: {shown} of {choices.package(name)} {what}")


def check_dataset(name: str, dataset: object) -> None:
    """Raise ConfigError unless an installed loader has returned the data that its choice names."""
    if fault := _fault_of_data(dataset, DATASETS[name].points):
        raise _fault(DATASETS, name, f"gives {fault}")


def _fault_of_data(dataset: object, points: str) -> str:
    if not isinstance(dataset, Dataset):
        return f"a {type(dataset).__name__}; a Dataset is wanted"
    shapes = set()
    for role, split in dataset.splits().items():
        classes = None if role.startswith("unlabelled") else len(dataset.classes)
        if fault := next(_faults_of_split(split, points, classes, dataset.vocabulary), ""):
            return f"{fault} as its {role} split"
        if isinstance(split.points, Images | Vectors):
            shapes.add((*split.points.rows.shape[1:],))
    return f"splits with points of different shapes: {sorted(shapes)}" if len(shapes) > 1 else ""


def _faults_of_split(
    split: object, points: str, classes: int | None, vocabulary: list[str] | None
) -> Iterator[str]:
    """Say what is wrong with a split; only the first is right. ``classes``: None for any number."""
    if not isinstance(split, Split) or not isinstance(split.points, _KINDS[points]):
        given = split.points if isinstance(split, Split) else split
        yield f"a {type(given).__name__} instead of {points}"
    assert isinstance(split, Split)
    held = split.points
    if isinstance(held, Images | Vectors):
        rows = held.rows
        shown = f"{str(rows.dtype).removeprefix('torch.')} {[*rows.shape]}"
        is_image = rows.dtype == torch.uint8 and rows.dim() == 4 and rows.shape[1] == 3
        if isinstance(held, Images) and not is_image:
            yield f"{shown} instead of images uint8 [n, 3, H, W]"
        if isinstance(held, Vectors) and (rows.dtype != torch.float32 or rows.dim() not in (2, 3)):
            yield f"{shown} instead of features float32 [n, d] or [n, T, d]"
        if not bool(rows.isfinite().all()):
            yield "numbers that are not finite"
    else:
        largest = int(as_sentences(held).words.max())
        if vocabulary is None or largest >= len(vocabulary):
            yield f"word ids up to {largest} without words for them in the vocabulary"
    offsets = split.offsets
    if (
        classes not in (None, len(offsets) - 1)
        or int(offsets[0]) != 0
        or int(offsets[-1]) != len(held)
        or bool((offsets.diff() < 0).any())
    ):
        of = "" if classes is None else f"{classes} "
        yield f"{len(held)} points and offsets that do not part them into the {of}classes"


def check_modules(name: str, encoders: Iterable[object]) -> None:
    """Raise ConfigError unless an encoder's choice has made modules."""
    for encoder in encoders:
        if not isinstance(encoder, nn.Module):
            raise _fault(ENCODERS, name, f"gives a {type(encoder).__name__}, not an nn.Module")


def check_restored(config: Config, encoder: nn.Module, restored: nn.Module, train: Split) -> None:
    """Raise ConfigError if an encoder gives other features once it is loaded from its weights.

    What its constructor is given and forward needs must therefore be among them.
    """
    points = train.points.gather(torch.arange(2))
    with torch.no_grad():
        same = torch.allclose(encoder.eval()(points.clone()), restored.eval()(points.clone()))
    if not same:
        raise _fault(
            ENCODERS, config.encoder.name,
            "gives other features when its weights are loaded again; keep in buffers "
            "(register_buffer) what forward needs",
        )  # fmt: skip


def check_objective(config: Config, encoder: nn.Module, train: Split, dev: Split) -> None:
    """Try an installed objective on random features of one batch of each split.

    Weights and random numbers stay as they are. Raises ConfigError for what cannot be trained.
    """
    name = config.objective.name
    with torch.random.fork_rng(devices=[]), blaming(OBJECTIVES, name):
        objective = OBJECTIVES[name].load()(
            config.objective, config.encoder.dimension, len(train.sizes)
        )
        with torch.no_grad():
            width = encoder.eval()(train.points.gather(torch.arange(2))).shape[1]
        if not isinstance(objective, Objective):
            raise _fault(
                OBJECTIVES, name, f"gives a {type(objective).__name__}; an Objective is wanted"
            )
        for split, loss in ((train, objective), (dev, objective.dev_loss)):
            batch = _draw(config, objective, split)
            features = torch.randn(*batch.points.shape, width, requires_grad=split is train)
            value = loss(features, batch)
            if fault := _fault_of_loss(value, must_train=split is train):
                what = "the training loss" if split is train else "the dev loss"
                raise _fault(OBJECTIVES, name, f"gives {fault} as {what}; one number is wanted")


def _draw(config: Config, objective: Objective, split: Split) -> TupleBatch:
    """Draw a batch as the training loop will; raise ConfigError if it is none."""
    name, wanted = config.objective.name, config.objective.points_per_tuple
    sampler: Any = objective.sampler(split.offsets, split.rho)
    tuples, random = config.training.batch_size, torch.Generator().manual_seed(0)
    if not isinstance(sampler, TupleSampler):
        raise _fault(OBJECTIVES, name, f"draws with a {type(sampler).__name__}, no TupleSampler")
    batch = sampler.draw_many(1, tuples, random)[0]
    counts = {wanted, sampler.points_per_tuple, len(batch.points)}
    if len(counts) > 1:
        raise _fault(
            OBJECTIVES, name,
            f"draws {len(batch.points)} points a tuple; its sampler says "
            f"{sampler.points_per_tuple} and its options {wanted} (points_per_tuple)",
        )  # fmt: skip
    return batch


def _fault_of_loss(value: object, must_train: bool) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    if value.dim() or not value.is_floating_point():
        return f"{str(value.dtype).removeprefix('torch.')} {[*value.shape]}"
    if not bool(value.isfinite()):
        return f"{value.item()} for random features"
    if must_train and not value.requires_grad:
        return "a number that no feature changes"
    return ""
