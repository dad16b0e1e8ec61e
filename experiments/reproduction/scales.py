"""The data sets of each scale, their base settings (``configs/experiment/``) and grids."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetPlan:
    """The studies of one data set at one scale.

    ``base``: the overrides of Table 1's unsupervised run; ``grid``: more overrides, in the studies
    that vary it. What is varied: ``blocks`` (b), ``negatives`` (k), ``fractions`` of the training
    data. ``methods``: those that Table 2 compares. ``fresh_negatives``: k in the two ablations that
    draw every negative anew.
    """

    dataset: str
    base: tuple[str, ...]
    studies: tuple[str, ...]
    grid: tuple[str, ...] = ()
    blocks: tuple[int, ...] = (2, 5, 10)
    methods: tuple[str, ...] = ("CURL", "QT")
    negatives: tuple[int, ...] = ()
    fractions: tuple[float, ...] = (0.1, 0.3, 1.0)
    fresh_negatives: tuple[int, ...] = ()


# The same distribution of tuples at a fraction of the encoded points.
_POOLED = ("objective.negative_source=pooled",)

SCALES: dict[str, tuple[DatasetPlan, ...]] = {
    "quick": (
        DatasetPlan(
            "glyphs",
            ("experiment=quick_glyphs",),
            ("table1", "table2", "fig2a", "fig2c", "labels"),
            methods=("CURL",),
            negatives=(1, 4, 10),
        ),
        DatasetPlan(
            "docstrings",
            ("experiment=quick_docstrings",),
            ("table1", "table2", "fig2b", "fig2c", "collisions", "budget"),
            negatives=(1, 8, 50),
            fresh_negatives=(1, 8, 32),
        ),
    ),
    "cpu": (
        DatasetPlan(
            "cifar100",
            ("experiment=cpu_cifar100",),
            ("table1", "table2", "fig2a", "fig2c", "labels"),
            methods=("CURL",),
            negatives=(1, 4, 10),
        ),
        DatasetPlan(
            "wiki3029",
            ("experiment=cpu_wiki3029",),
            ("table1", "table2", "fig2b", "fig2c", "collisions", "budget"),
            negatives=(1, 8, 50),
            fresh_negatives=(1, 8, 32),
        ),
        DatasetPlan("imdb", ("experiment=cpu_imdb",), ("table2",)),
    ),
    "paper": (
        DatasetPlan(
            "cifar100",
            ("experiment=table1_cifar100",),
            ("table1", "table2", "fig2a", "fig2c", "labels", "collisions", "budget"),
            _POOLED,
            methods=("CURL",),
            negatives=(1, 2, 4, 10),
            fractions=(0.1, 0.25, 0.5, 1.0),
            fresh_negatives=(1, 4, 10),
        ),
        DatasetPlan(
            "wiki3029",
            ("experiment=table1_wiki3029",),
            ("table1", "table2", "fig2b", "fig2c", "collisions", "budget"),
            _POOLED,
            methods=("CURL",),
            negatives=(1, 4, 8, 50),
            fractions=(0.1, 0.25, 0.5, 1.0),
            fresh_negatives=(1, 8, 32),
        ),
        DatasetPlan("imdb", ("experiment=table2_imdb",), ("table2",), _POOLED),
    ),
}
