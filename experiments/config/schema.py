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
from crl.experiments.config.option import Choice, option


@dataclass
class OptimizerConfig:
    """``lr``: the learning rate after a linear warm-up; the schedule may lower it afterwards.

    ``warmup``: the share of the steps that the warm-up takes. ``momentum``: of SGD.
    """

    name: str = MISSING
    lr: float = option(1e-3, above=0)
    weight_decay: float = option(1e-2, least=0)
    momentum: float = option(0.9, least=0, below=1)
    warmup: float = option(0.05, least=0, below=1)
    schedule: str = option("cosine", choices=("cosine", "constant"))


@dataclass
class SGDConfig(OptimizerConfig):
    """SGD with Nesterov momentum."""

    lr: float = option(0.1, above=0)
    weight_decay: float = option(5e-4, least=0)


@dataclass
class TrainingConfig:
    """``batch_size``: tuples a step.

    Every ``dev_every`` steps the dev loss is measured; the encoder with the lowest one is kept.
    Every ``curve_every`` steps (null: never) metrics.jsonl gets the unsupervised train and test
    loss and the supervised loss. ``checkpoint_seconds``: seconds between two checkpoints.
    """

    steps: int = option(600, least=1)
    batch_size: int = option(128, least=2)
    dev_every: int = option(100, least=1)
    curve_every: int | None = option(None, least=1)
    clip_norm: float | None = option(None, above=0)
    log_every: int = option(20, least=1)
    checkpoint_seconds: float = option(60.0, least=0, changes_result=False)


@dataclass
class EvaluationConfig:
    """``ks``: AVG-k. ``tops``: TOP-R. ``shots``: labelled points per class of mu-5.

    ``redraws``: how often these points are drawn anew. ``label_fraction``: fit the classifiers once
    more on that share of every class's labels (null: no). ``attentive``: fit a cross-attention
    probe too, if the encoder has tokens. ``map``: how the report draws features. ``l2``: penalties
    of the linear classifier; the dev points choose one. ``linear_steps``: the fewest steps that the
    linear classifier is trained for. ``batch_size``: points encoded at once.
    """

    ks: list[int] = option([2, 5], least=2)
    tops: list[int] = option([1, 5], least=1)
    shots: int = option(5, least=1)
    redraws: int = option(5, least=1)
    label_fraction: float | None = option(None, above=0, below=1)
    attentive: bool = False
    map: str = option("pca", choices=("pca", "tsne", "umap", "none"))
    linear_steps: int = option(1000, least=1)
    l2: list[float] = option([1e-4, 1e-3, 1e-2], least=0)
    batch_size: int = option(1000, least=1, changes_result=False)

    # No option: those of ks and tops that are defaults, which fit_tasks() may change.
    untyped = tuple[str, ...]()


@dataclass
class RuntimeConfig:
    """The devices, speed and trackers of a run.

    ``precision``: "bf16" is mixed precision, for devices that have it. ``compile``: torch.compile
    of the encoder in training; it needs a C++ compiler and minutes at the start. ``devices``: the
    number of processes that train one run together; results are equal up to the order of sums.
    ``threads``: CPU threads (null: all). ``tensorboard``, ``wandb`` (PROJECT or ENTITY/PROJECT) and
    ``mlflow`` (tracking URI): where the lines of metrics.jsonl go as well.
    """

    device: str = option("auto", choices=("auto", "cpu", "cuda"), changes_result=False)
    precision: str = option("float32", choices=("float32", "bf16"))
    compile: bool = False
    devices: int = option(1, least=1, changes_result=False)
    threads: int | None = option(None, least=1, changes_result=False)
    channels_last: bool = option(True, changes_result=False)
    progress: bool = option(True, changes_result=False)
    tensorboard: bool = option(False, package="tensorboard", changes_result=False)
    wandb: str | None = option(None, package="wandb", changes_result=False)
    mlflow: str | None = option(None, package="mlflow", changes_result=False)


@dataclass
class Config:
    """A whole run.

    ``run_dir``: the run folder, instead of the one below ``output_dir``. ``force``: start a
    finished or interrupted run over.
    """

    dataset: DatasetConfig = MISSING
    encoder: EncoderConfig = MISSING
    objective: ObjectiveConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    seed: int = option(0, least=0, changes_result=False)
    run_dir: str | None = option(None, changes_result=False)
    output_dir: str = option("outputs", changes_result=False)
    force: bool = option(False, changes_result=False)


OPTIMIZERS = Choices(
    "optimizer",
    {"": OptimizerConfig},
    {"adamw": Choice(OptimizerConfig), "sgd": Choice(SGDConfig)},
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
