"""The typed configuration: every option there is, its type, its bounds, and whether it can change a
result.

Hydra checks types and names against these dataclasses; :func:`check` checks the bounds that stand
in each field's metadata. Free of torch, so that a typing error is answered at once.
"""

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from experiments.errors import ConfigError


def option(
    default: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
    changes_result: bool = True,
) -> Any:
    """A field with inclusive (least, most) or exclusive (above, below) bounds; for a list they hold
    for each item."""
    metadata = {"least": least, "most": most, "above": above, "below": below, "choices": choices}
    metadata["changes_result"] = changes_result
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class DatasetConfig:
    """What every data set has. ``split_seed`` decides which points are dev points, apart from the
    run's seed."""

    name: str = MISSING
    train_fraction: float = option(1.0, above=0, most=1)
    dev_fraction: float = option(0.1, above=0, below=1)
    split_seed: int = option(0, least=0)


@dataclass
class LabelledConfig(DatasetConfig):
    """What data sets have of which the latent classes are the labelled ones.
    ``class_distribution``: rho, by which classes are drawn; ``class_sizes``: how many training
    points they keep; ``imbalance``: largest over smallest of either, the first classes being the
    largest; ``minority_share``: of "step", the share of small classes (docs/beyond.md)."""

    class_distribution: str = option("points", choices=("points", "uniform", "longtail", "step"))
    class_sizes: str = option("all", choices=("all", "longtail", "step"))
    imbalance: float = option(1.0, least=1, most=10_000)
    minority_share: float = option(0.5, above=0, below=1)


@dataclass
class ImagesConfig(LabelledConfig):
    """``augment``: flip and shift every image anew each time it is encoded in training."""

    augment: str = option("none", choices=("none", "shift", "flip_shift"))


@dataclass
class GlyphsConfig(ImagesConfig):
    points_per_class: int = option(200, least=4)
    test_per_class: int = option(30, least=1)


@dataclass
class ClassIdsConfig(LabelledConfig):
    """Every point of a class is the same one: with ``encoder.embedding=learned``, a free embedding
    per class."""

    classes: int = option(5, least=2)
    points_per_class: int = option(20, least=2)


@dataclass
class FeaturesConfig(LabelledConfig):
    """``root``: an NPZ or safetensors file of features that another program computed."""

    root: str | None = None


@dataclass
class CIFAR100Config(ImagesConfig):
    # Where the files lie cannot change the result: their checksums are fixed.
    root: str | None = option(None, changes_result=False)


@dataclass
class ImageFolderConfig(ImagesConfig):
    root: str | None = None
    image_size: int = option(32, least=8, most=512)
    test_fraction: float = option(0.2, above=0, below=1)


@dataclass
class WordsConfig(DatasetConfig):
    """Words beyond ``max_words`` of a sentence are cut; rarer words than ``min_count`` (training
    split) are unknown."""

    lowercase: bool = True
    max_words: int = option(50, least=1, most=10_000)
    min_count: int = option(2, least=1)


@dataclass
class TextConfig(WordsConfig, LabelledConfig):
    test_fraction: float = option(0.2, above=0, below=1)


@dataclass
class DocstringsConfig(TextConfig):
    sentences_per_document: int = option(150, least=10)


@dataclass
class Wiki3029Config(TextConfig):
    root: str | None = None


@dataclass
class DocumentsConfig(TextConfig):
    root: str | None = None
    layout: str = option("auto", choices=("auto", "lines", "running"))
    min_sentences: int = option(50, least=10)


@dataclass
class LabelledDocumentsConfig(WordsConfig):
    """``review``: a labelled document is the mean of its sentences' features, or whole, one
    sentence of at most ``max_review_words``. Unlabelled documents with fewer than ``min_sentences``
    are dropped; of the others, which similar points are drawn from, ``dev_fraction`` is for the dev
    loss and ``train_fraction`` counts the rest."""

    root: str | None = None
    review: str = option("mean", choices=("mean", "whole"))
    max_review_words: int = option(400, least=1, most=10_000)
    min_sentences: int = option(2, least=1)


@dataclass
class EncoderConfig:
    """What every encoder has: its registry name and the number of its outputs."""

    name: str = MISSING
    dimension: int = option(100, least=1)


@dataclass
class VGG16Config(EncoderConfig):
    batch_norm: bool = True
    dropout: float = option(0.0, least=0, below=1)


@dataclass
class SmallCNNConfig(EncoderConfig):
    width: int = option(32, least=1)


@dataclass
class IdentityConfig(EncoderConfig):
    """Features as they are (of tokens, their mean). ``dimension``: 0 for whatever they have."""

    dimension: int = option(0, least=0)


@dataclass
class TorchvisionConfig(EncoderConfig):
    """What the last layer of a torchvision classifier reads. ``weights``: ``random``, ``download``
    (torchvision's default ones) or a file of them; ``image_size``: images are resized to it;
    ``dimension``: 0 for whatever the model has."""

    dimension: int = option(0, least=0)
    model: str = "resnet18"
    weights: str = "download"
    image_size: int = option(224, least=8, most=1024)


@dataclass
class InstalledConfig(EncoderConfig):
    """An encoder that an installed package offers under the entry-point group ``crl.encoders``;
    ``model`` is its name. ``dimension``: 0 for whatever it has."""

    dimension: int = option(0, least=0)
    model: str = ""


@dataclass
class SentenceEncoderConfig(EncoderConfig):
    """``embedding``: word vectors from a GloVe file, learned from the training split's
    co-occurrences, or trained along."""

    dimension: int = option(300, least=1)
    embedding: str = option("corpus", choices=("corpus", "glove", "learned"))
    embedding_dim: int = option(300, least=1)
    glove_path: str | None = None
    frozen: bool = True
    dropout: float = option(0.0, least=0, below=1)


@dataclass
class GRUConfig(SentenceEncoderConfig):
    bidirectional: bool = True
    dropout: float = option(0.3, least=0, below=1)


@dataclass
class ObjectiveConfig:
    """What every objective has. Only ``contrastive`` minimises the ``L_un`` of this loss and these
    negatives; of the others it is measured. ``supervised`` trains on as many points a step as the
    others encode with pooled negatives."""

    name: str = MISSING
    loss: str = option("logistic", choices=("logistic", "hinge"))
    block_size: int = option(2, least=1)
    negatives: int = option(4, least=1)
    negative_source: str = option("pooled", choices=("pooled", "fresh"))


@dataclass
class ContrastiveConfig(ObjectiveConfig):
    """``collisions=false`` takes no negative of the anchor's class; the paper's theory is about
    those that are taken. ``normalize`` scales features to length 1; the paper takes them as they
    are."""

    collisions: bool = True
    normalize: bool = False


@dataclass
class QuickThoughtsConfig(ObjectiveConfig):
    """``encoders``: 2 trains a second encoder for the candidates and concatenates the features of
    both."""

    encoders: int = option(1, least=1, most=2)


@dataclass
class TrainingConfig:
    """``batch_size`` counts tuples a step. Every ``dev_every`` steps the dev loss decides which
    encoder is kept; every ``curve_every`` steps (null: never) metrics.jsonl gets the unsupervised
    train and test loss and the supervised loss."""

    steps: int = option(600, least=1)
    batch_size: int = option(128, least=2)
    dev_every: int = option(100, least=1)
    curve_every: int | None = option(None, least=1)
    clip_norm: float | None = option(None, above=0)
    log_every: int = option(20, least=1)
    checkpoint_seconds: float = option(60.0, least=0, changes_result=False)


@dataclass
class OptimizerConfig:
    """Learning rate ``lr`` after a linear warm-up over a share of the steps, then by the
    schedule."""

    name: str = MISSING
    lr: float = option(1e-3, above=0)
    weight_decay: float = option(1e-2, least=0)
    momentum: float = option(0.9, least=0, below=1)
    warmup: float = option(0.05, least=0, below=1)
    schedule: str = option("cosine", choices=("cosine", "constant"))


@dataclass
class EvaluationConfig:
    """``ks``: AVG-k; ``tops``: TOP-R; ``shots``: labelled points per class of mu-5, redrawn
    ``redraws`` times; ``label_fraction``: the classifiers once more, fitted on that share of every
    class's labels (null: not); ``attentive``: a probe with cross-attention too, of encoders that
    have tokens; ``map``: how the report draws features; ``l2``: penalties of the linear classifier,
    of which the dev points choose one; ``linear_steps``: the least number of steps that it is
    trained for."""

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


@dataclass
class RuntimeConfig:
    """Where and how fast. ``precision`` bf16: mixed, for devices that have it. ``compile``:
    torch.compile of the encoder in training, not in evaluation (needs a C++ compiler; up to minutes
    at the start). ``threads``: of a CPU, null for all. ``tensorboard``, ``wandb`` (PROJECT or
    ENTITY/PROJECT), ``mlflow`` (tracking URI): where metrics.jsonl goes as well. ``devices``: so
    many processes train one run together, a device each; results are equal but for the order of
    sums."""

    device: str = option("auto", choices=("auto", "cpu", "cuda"), changes_result=False)
    precision: str = option("float32", choices=("float32", "bf16"))
    compile: bool = False
    devices: int = option(1, least=1, changes_result=False)
    threads: int | None = option(None, least=1, changes_result=False)
    channels_last: bool = option(True, changes_result=False)
    progress: bool = option(True, changes_result=False)
    tensorboard: bool = option(False, changes_result=False)
    wandb: str | None = option(None, changes_result=False)
    mlflow: str | None = option(None, changes_result=False)


@dataclass
class Config:
    """A whole run. ``run_dir`` overrides where the run folder lies; ``force`` starts a finished or
    broken-off run over."""

    dataset: DatasetConfig = MISSING
    encoder: EncoderConfig = MISSING
    objective: ObjectiveConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = MISSING
    runtime: RuntimeConfig = MISSING
    seed: int = option(0, least=0, changes_result=False)
    run_dir: str | None = option(None, changes_result=False)
    output_dir: str = option("outputs", changes_result=False)
    force: bool = option(False, changes_result=False)


# Group -> choice -> its schema. A choice without a file in configs/ is offered with its schema's
# defaults.
SCHEMAS: dict[str, dict[str, type]] = {
    "dataset": {
        "glyphs": GlyphsConfig,
        "docstrings": DocstringsConfig,
        "cifar100": CIFAR100Config,
        "wiki3029": Wiki3029Config,
        "class_ids": ClassIdsConfig,
        "features": FeaturesConfig,
        "image_folder": ImageFolderConfig,
        "documents": DocumentsConfig,
        "imdb": LabelledDocumentsConfig,
        "labelled_documents": LabelledDocumentsConfig,
    },
    "encoder": {
        "vgg16": VGG16Config,
        "small_cnn": SmallCNNConfig,
        "identity": IdentityConfig,
        "torchvision": TorchvisionConfig,
        "installed": InstalledConfig,
        "gru": GRUConfig,
        "bag_of_words": SentenceEncoderConfig,
    },
    "objective": {
        "contrastive": ContrastiveConfig,
        "quick_thoughts": QuickThoughtsConfig,
        "supervised": ObjectiveConfig,
        "frozen": ObjectiveConfig,
    },
    "optimizer": {"adamw": OptimizerConfig, "sgd": OptimizerConfig},
    "evaluation": {"default": EvaluationConfig},
    "runtime": {"default": RuntimeConfig},
}


def schema_of(config: DictConfig) -> type:
    """The dataclass behind a node of a composed configuration."""
    found = OmegaConf.get_type(config)
    assert found is not None and is_dataclass(found)
    return found


def check(config: DictConfig, prefix: str = "") -> None:
    """Raise ConfigError, naming the option and its bounds, for the first value that lies outside of
    them."""
    specs = fields(schema_of(config))
    unknown = set(config) - {spec.name for spec in specs}
    if unknown:
        raise ConfigError(f"{prefix}{min(map(str, unknown))}: no such option; see crl train --help")
    for spec in specs:
        name = f"{prefix}{spec.name}"
        if spec.name not in config or OmegaConf.is_missing(config, spec.name):
            raise ConfigError(f"{name}: missing; give it as {name}=VALUE")
        value = config[spec.name]
        if isinstance(value, DictConfig):
            check(value, f"{name}.")
        elif spec.metadata and value is not None:
            listed = OmegaConf.is_list(value)
            if listed and any(OmegaConf.is_missing(value, place) for place in range(len(value))):
                raise ConfigError(f"{name}: ??? stands for a value that is missing; give a value")
            for item in value if listed else [value]:
                _check_bounds(name, item, spec.metadata)
            if OmegaConf.is_list(value) and not value:
                raise ConfigError(
                    f"{name}: an empty list; give at least one value, like {name}=[2]"
                )


def _check_bounds(name: str, value: Any, bounds: Any) -> None:
    if OmegaConf.is_config(value):
        raise ConfigError(f"{name}: {value} is not a single value")
    if bounds["choices"] is not None and value not in bounds["choices"]:
        raise ConfigError(
            f"{name}: no choice {value!r}; choose one of {', '.join(bounds['choices'])}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name}: {value} is not a finite number")
    tests = {
        "least": (lambda b: value >= b, "at least"),
        "above": (lambda b: value > b, "above"),
        "most": (lambda b: value <= b, "at most"),
        "below": (lambda b: value < b, "below"),
    }
    wanted = [
        f"{words} {bounds[key]:g}" for key, (_, words) in tests.items() if bounds[key] is not None
    ]
    if any(bounds[key] is not None and not holds(bounds[key]) for key, (holds, _) in tests.items()):
        raise ConfigError(f"{name}: {value} is out of bounds; it must be {' and '.join(wanted)}")
