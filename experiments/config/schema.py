"""The typed configuration of a run.

Hydra checks names and types against these dataclasses. `experiments.config.checks` checks the
bounds, which stand in each field's metadata. A default is stated in its dataclass and nowhere else.
The options of data sets, encoders and objectives stand in the files of these names.

Imports no torch, so that a typing error is answered at once.
"""

from dataclasses import Field, dataclass, field, fields
from typing import Any

from omegaconf import MISSING

from crl.experiments.config.choices import Choices
from crl.experiments.config.datasets import DATASETS, DatasetConfig
from crl.experiments.config.encoders import ENCODERS, EncoderConfig
from crl.experiments.config.objectives import OBJECTIVES, ObjectiveConfig
from crl.experiments.config.option import Choice, changed, option


@dataclass
class OptimizerConfig:
    """The options of every optimiser."""

    name: str = MISSING
    lr: float = option(
        1e-3, "Learning rate after the warm-up; the schedule may lower it later.", above=0
    )
    weight_decay: float = option(
        1e-2, "How strongly each step pulls the weights towards zero; biases are spared.", least=0
    )
    momentum: float = option(0.9, "Momentum of SGD; AdamW takes none.", least=0, below=1)
    warmup: float = option(
        0.05,
        "Share of the steps, at the start, in which the learning rate rises.",
        least=0,
        below=1,
    )
    schedule: str = option(
        "cosine",
        "Learning rate after the warm-up: it falls along half a cosine, or stays constant.",
        choices=("cosine", "constant"),
    )


@dataclass
class AdamWConfig(OptimizerConfig):
    """AdamW: a step size of its own for every weight."""


@dataclass
class SGDConfig(OptimizerConfig):
    """SGD with Nesterov momentum."""

    lr: float = changed(OptimizerConfig, "lr", 0.1)
    weight_decay: float = changed(OptimizerConfig, "weight_decay", 5e-4)


@dataclass
class TrainingConfig:
    """How long training takes, and what it notes down."""

    steps: int = option(
        600, "Length of training; every step draws new tuples.", unit="steps", least=1
    )
    batch_size: int = option(
        128,
        "Tuples in a step; a tuple is an anchor with its similar points and negatives.",
        unit="tuples",
        least=2,
    )
    dev_every: int = option(
        100,
        "How often the encoder is tried on dev points; the one that does best there is kept.",
        unit="steps",
        least=1,
    )
    curve_every: int | None = option(
        None,
        "How often the losses on train and test points are noted, for curves of the losses.",
        unit="steps",
        null="never",
        least=1,
    )
    clip_norm: float | None = option(
        None,
        "Largest norm of a gradient; a larger one is scaled down to it.",
        null="no limit",
        above=0,
    )
    log_every: int = option(
        20,
        "How often metrics.jsonl gets a line: loss, learning rate, speed.",
        unit="steps",
        least=1,
    )
    checkpoint_seconds: float = option(
        60.0,
        "Time between two checkpoints; an interrupted run goes on from the last one.",
        unit="seconds",
        least=0,
        changes_result=False,
    )


@dataclass
class EvaluationConfig:
    """How the features are scored."""

    ks: list[int] = option(
        [2, 5], "AVG-k, the accuracy over all tasks of k classes, for each of these k.", least=2
    )
    tops: list[int] = option(
        [1, 5],
        "TOP-R, the share of points whose class is among the R best scores, for each of these R.",
        least=1,
    )
    shots: int = option(
        5, "Labelled points per class of the classifier mu-5.", unit="points", least=1
    )
    redraws: int = option(
        5, "How often the points of mu-5 are drawn anew; the accuracies are averaged.", least=1
    )
    label_fraction: float | None = option(
        None,
        "Fit the classifiers once more, on this share of every class's labels.",
        null="off",
        above=0,
        below=1,
    )
    attentive: bool = option(
        False, "Fit a probe with cross-attention too; the encoder must have tokens."
    )
    map: str = option(
        "pca",
        "How the report draws the features in two dimensions.",
        choices=("pca", "tsne", "umap", "none"),
    )
    linear_steps: int = option(
        1000, "Shortest training of the linear classifier TR.", unit="steps", least=1
    )
    l2: list[float] = option(
        [1e-4, 1e-3, 1e-2],
        "Penalties that the linear classifier TR tries; labels of dev points choose one.",
        least=0,
    )
    batch_size: int = option(
        1000,
        "Points encoded at once; fewer need less memory.",
        unit="points",
        least=1,
        changes_result=False,
    )

    # No option: those of ks and tops that are defaults, which fit_tasks() may change.
    untyped = tuple[str, ...]()


@dataclass
class RuntimeConfig:
    """The devices, speed and trackers of a run."""

    device: str = option(
        "auto",
        "Where to compute; auto takes a CUDA device if there is one.",
        choices=("auto", "cpu", "cuda"),
        changes_result=False,
    )
    precision: str = option(
        "float32",
        "Numbers of training; bf16 is mixed precision, auto takes it where it is faster.",
        choices=("float32", "bf16", "auto"),
    )
    compile: bool = option(
        False, "Compile the encoder for training; needs a C++ compiler, and minutes at the start."
    )
    devices: int = option(
        1,
        "Processes that train the run together; results are equal up to the order of sums.",
        unit="processes",
        least=1,
        changes_result=False,
    )
    threads: int | None = option(
        None,
        "Threads on the CPU.",
        unit="threads",
        null="one per core",
        least=1,
        changes_result=False,
    )
    channels_last: bool = option(
        True,
        "Keep images channels last in memory, which is faster on most devices.",
        changes_result=False,
    )
    progress: bool = option(True, "Show a progress bar.", changes_result=False)
    tensorboard: bool = option(
        False,
        "Write the lines of metrics.jsonl for TensorBoard too, into the run folder.",
        package="tensorboard",
        changes_result=False,
    )
    wandb: str | None = option(
        None,
        "Send the lines of metrics.jsonl to Weights & Biases too: PROJECT or ENTITY/PROJECT.",
        null="off",
        package="wandb",
        changes_result=False,
    )
    mlflow: str | None = option(
        None,
        "Send the lines of metrics.jsonl to MLflow too, at this tracking URI.",
        null="off",
        package="mlflow",
        changes_result=False,
    )

    # No option: whether precision was "auto" before choose_precision() replaced it.
    was_auto = False


@dataclass
class Config:
    """Which run it is, and where it goes."""

    dataset: DatasetConfig = MISSING
    encoder: EncoderConfig = MISSING
    objective: ObjectiveConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    seed: int = option(
        0,
        "Seed of every draw of the run, such as weights and tuples, but not of the data.",
        least=0,
        changes_result=False,
    )
    run_dir: str | None = option(
        None,
        "Folder of this run.",
        null="below output_dir, with a name made of the options",
        changes_result=False,
    )
    output_dir: str = option("outputs", "Folder of all runs.", changes_result=False)
    force: bool = option(False, "Start a finished or interrupted run over.", changes_result=False)


OPTIMIZERS = Choices(
    "optimizer",
    {"": OptimizerConfig},
    {"adamw": Choice(AdamWConfig), "sgd": Choice(SGDConfig)},
)

# Groups without choices.
SECTIONS: dict[str, type] = {
    "training": TrainingConfig,
    "evaluation": EvaluationConfig,
    "runtime": RuntimeConfig,
}

# Group -> name on the command line -> choice.
GROUPS: dict[str, Choices] = {
    "dataset": DATASETS,
    "encoder": ENCODERS,
    "objective": OBJECTIVES,
    "optimizer": OPTIMIZERS,
}


def options_by_name() -> "dict[str, tuple[Field[Any], list[str]]]":
    """Full name of every option -> (its field, the choices of its group that have it).

    Options of installed packages are there once their choice is chosen.
    """
    options: dict[str, tuple[Field[Any], list[str]]] = {f.name: (f, []) for f in fields(Config)}
    for section, schema in SECTIONS.items():
        options |= {f"{section}.{spec.name}": (spec, []) for spec in fields(schema)}
    for group, choices in GROUPS.items():
        for name, choice in choices.known().items():
            for spec in fields(choice.options):
                options.setdefault(f"{group}.{spec.name}", (spec, []))[1].append(name)
    return options
