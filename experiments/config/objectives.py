"""The objectives: the options of each one, and its class. Imports no torch.

To add an objective, write a class in experiments/training/objectives.py, and add its options and
its line in ``OBJECTIVES`` here.
"""

from dataclasses import dataclass

from omegaconf import MISSING

from crl.experiments.config.choices import Choices
from crl.experiments.config.option import Choice, option


@dataclass
class ObjectiveConfig:
    """The options of every objective.

    ``contrastive`` minimises the unsupervised loss ``L_un`` of this ``loss``, ``block_size`` and
    ``negatives``. For the other objectives that loss is only measured.
    """

    name: str = MISSING
    loss: str = option(
        "logistic",
        "Loss of a tuple: an anchor, the points similar to it, and its negatives.",
        choices=("logistic", "hinge"),
    )
    block_size: int = option(
        2, "How many similar points are averaged into one positive or negative (b).", least=1
    )
    negatives: int = option(
        4, "How many random negatives each anchor is told apart from (k).", least=1
    )
    negative_source: str = option(
        "pooled",
        "Negatives are taken from other tuples of the batch, or drawn fresh for each tuple.",
        choices=("pooled", "fresh"),
    )

    trains = True
    reads_labels = False
    minimises_unsupervised_loss = False
    collisions = True
    normalize = False
    encoders = 1

    @property
    def points_per_tuple(self) -> int:
        """Encoded points of one tuple: the anchor, its block, and fresh negative blocks if any."""
        fresh = self.minimises_unsupervised_loss and self.negative_source == "fresh"
        return 1 + self.block_size * (1 + (self.negatives if fresh else 0))


@dataclass
class ContrastiveConfig(ObjectiveConfig):
    """The paper's objective: similar points score higher than negatives."""

    collisions: bool = option(
        True, "Negatives may have the anchor's own class by chance; the theory is about that."
    )
    normalize: bool = option(False, "Scale features to length 1, which the paper does not.")

    minimises_unsupervised_loss = True


@dataclass
class QuickThoughtsConfig(ObjectiveConfig):
    """Quick Thoughts: similar points are picked out of the whole batch."""

    encoders: int = option(
        1,
        "A second encoder, if any, reads the candidates; the features of both are joined.",
        least=1,
        most=2,
    )


@dataclass
class SupervisedConfig(ObjectiveConfig):
    """The supervised baseline: a softmax layer on the encoder predicts labels.

    It trains on as many points a step as the other objectives encode with pooled negatives.
    """

    reads_labels = True


@dataclass
class FrozenConfig(ObjectiveConfig):
    """No training: the encoder is scored as it is."""

    trains = False


_OWN = {
    "contrastive": Choice(ContrastiveConfig, "crl.experiments.training.objectives:Contrastive"),
    "quick_thoughts": Choice(
        QuickThoughtsConfig, "crl.experiments.training.objectives:QuickThoughts"
    ),
    "supervised": Choice(SupervisedConfig, "crl.experiments.training.objectives:Supervised"),
    "frozen": Choice(FrozenConfig),
}

OBJECTIVES = Choices("objective", {"": ObjectiveConfig}, _OWN, "crl.objectives")
