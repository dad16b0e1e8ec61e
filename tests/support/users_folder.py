"""A folder of a user whose files have the names of everybody, and a package that needs one.

It offers an encoder without options, and an objective with one.
"""

import os
from pathlib import Path

PACKAGES = ("cli", "configs", "experiments")  # and data, which the encoder imports
MODULES = ("crl", "conftest", "random", "socket", "tempfile", "types")

ENCODER = """
import data
from torch import nn
from crl.extending import Objective

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, data.DIMENSION)

    def forward(self, pixels):
        return self.linear(pixels.float().mean((2, 3)))

class Pull(Objective):
    def __init__(self, options, dimension, classes):
        super().__init__(options, dimension, classes)
        self.strength = options.strength

    def forward(self, features, batch):
        return self.strength * (features[0] - features[-1]).square().mean()
"""
CHOICES = """
from dataclasses import dataclass
from crl.extending import Choice, ObjectiveConfig, option

@dataclass
class PullConfig(ObjectiveConfig):
    strength: float = option(1.0, "what the loss is multiplied by", above=0)

PULL = Choice(PullConfig, "their_encoder:Pull")
"""
TRAIN = ["encoder=installed", "encoder.model=theirs", "objective=pull", "objective.strength=2",
         "dataset.points_per_class=10", "dataset.test_per_class=2", "training.steps=2",
         "training.batch_size=8", "evaluation.linear_steps=5", "evaluation.l2=[0.001]",
         "runtime.progress=false", "runtime.device=cpu"]  # fmt: skip


def make(place: Path) -> None:
    """Write ``packages`` (what most research code has), ``modules`` (names of Python's own modules
    and of ours) and ``encoder``, which is installed."""
    for name in PACKAGES:
        _write(place / "packages" / name / "__init__.py", f"raise ImportError('their {name}')")
    _write(place / "packages" / "data" / "__init__.py", "DIMENSION = 7")
    for name in MODULES:
        _write(place / "modules" / f"{name}.py", f"raise ImportError('their {name}')")
    _write(place / "encoder" / "their_encoder.py", ENCODER)
    _write(place / "encoder" / "their_choices.py", CHOICES)
    about = place / "encoder" / "theirs-1.dist-info"
    _write(about / "METADATA", "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    points = "[crl.encoders]\ntheirs = their_encoder:Encoder\n"
    points += "[crl.objectives]\npull = their_choices:PULL\n"
    _write(about / "entry_points.txt", points)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def environment(place: Path, *first: Path | str) -> dict[str, str]:
    """The environment in which Python finds the encoder and what it imports; ``first``: what else
    it is to search, first."""
    path = [*first, place / "packages", place / "encoder"]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
