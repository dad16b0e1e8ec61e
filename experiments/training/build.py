"""What a run is made of before it trains: device, data and encoder, as its configuration describes
them."""

import logging
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from torch import nn

from crl.encoders import build_encoder
from crl.encoders.pair import EncoderPair
from crl.encoders.unit_length import UnitLength
from data.dataset import Dataset, pixel_statistics
from data.datasets.registry import DATASETS, load_dataset
from data.imbalance import imbalanced, majority_and_minority
from data.seeding import seed_of
from data.split import Split
from experiments.errors import ConfigError
from experiments.evaluation.accuracy import check_evaluation
from experiments.runtime.console import Say
from experiments.runtime.memory import keep_freed_memory
from experiments.runtime.ranks import ALONE, Ranks
from experiments.training.word_vectors import word_vectors

_IMBALANCE = ("class_distribution", "class_sizes", "imbalance", "minority_share")


def build_fabric(config: DictConfig, ranks: Ranks = ALONE) -> Fabric:
    """Device, precision, threads, and how the process treats memory and determinism, for a run.

    With several ranks it waits for the others. Raises ConfigError for a device that is not there.
    """
    options = config.runtime
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "runtime.device: no CUDA device is available; use runtime.device=cpu or auto"
        )
    device = (
        options.device
        if options.device != "auto"
        else "cuda"
        if torch.cuda.is_available()
        else "cpu"
    )
    if device == "cuda" and torch.cuda.device_count() < ranks.per_node:
        raise ConfigError(
            f"runtime.devices: {ranks.per_node} are wanted of a node, which has {torch.cuda.device_count()} CUDA device(s) "
            "for each process to see; use fewer, or runtime.device=cpu"
        )
    if device == "cpu":
        keep_freed_memory()
    torch.use_deterministic_algorithms(device == "cpu")
    # Nothing here reads what it has not written; to fill it costs up to a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    precision: Literal["bf16-mixed", "32-true"] = (
        "bf16-mixed" if options.precision == "bf16" else "32-true"
    )
    try:
        fabric = Fabric(
            accelerator=device, devices=ranks.per_node, num_nodes=ranks.nodes, strategy=ranks.strategy(),
            plugins=ranks.environment, precision=precision,
        )  # fmt: skip
        fabric.launch()
    except ValueError as error:  # a cluster's variables that contradict one another
        raise ConfigError(f"runtime.devices: {error}") from error
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    return fabric


def prepare(config: DictConfig, say: Say) -> tuple[Dataset, str]:
    """The data set that the configuration names and its fingerprint, checked against what is to be
    done with it."""
    options = OmegaConf.to_container(config.dataset)
    assert isinstance(options, dict)
    chosen = {
        str(key): value
        for key, value in options.items()
        if key not in ("name", "train_fraction", "augment")
    }
    imbalance = {name: chosen.pop(name) for name in _IMBALANCE if name in chosen}
    dataset = load_dataset(config.dataset.name, **chosen)
    least = max(config.objective.block_size, config.evaluation.shots)
    if imbalance:
        dataset = imbalanced(dataset, **imbalance, least=least)
    for note in dataset.notes:
        say(note)
    check_evaluation(config, dataset)
    smallest = int(dataset.train.fraction(config.dataset.train_fraction).sizes.min())
    # Documents that are drawn from are short: their blocks repeat sentences.
    from_labelled = config.objective.name == "contrastive" and dataset.unlabelled_train is None
    if from_labelled and config.objective.block_size > smallest:
        raise ConfigError(
            f"objective.block_size: {config.objective.block_size} exceeds the {smallest} training points of the "
            f"smallest class of {dataset.name}; choose at most {smallest}"
        )
    return dataset, dataset.fingerprint()


def make_encoder(
    config: DictConfig, dataset: Dataset, train: Split
) -> tuple[nn.Module, str | None]:
    """(a fresh encoder, a line worth saying aloud or None); its weights depend on the seed alone.

    What it must know of its input (pixel statistics, word vectors) comes from the points that it is
    trained on. Raises ConfigError for an encoder that cannot read them.
    """
    holds, note = DATASETS[config.dataset.name].holds, None
    if holds == "images":
        mean, std = pixel_statistics(train)
        encoder = _encoder(config, mean=mean, std=std)
    elif holds == "sentences":
        vectors, note = word_vectors(config, dataset, train)
        encoder = _encoder(config, vectors=vectors)
    else:
        encoder = _encoder(config)
    with torch.no_grad():
        try:
            encoder.eval()(train.points.gather(torch.arange(2)))
        except (
            RuntimeError,
            AssertionError,
        ) as error:  # the latter is how some of torchvision's refuse a size
            why = str(error).splitlines()[0]
            raise ConfigError(
                f"encoder={config.encoder.name} cannot read dataset={dataset.name} ({why})"
            ) from error
    return encoder.train(), note


def restore_encoder(config: DictConfig, state: dict[str, torch.Tensor]) -> nn.Module:
    """The encoder of a checkpoint, which holds the statistics or word vectors that it was made
    with."""
    holds = DATASETS[config.dataset.name].holds
    if holds == "images":
        needless = (
            {"weights": "random"} if "weights" in config.encoder else {}
        )  # to be read or downloaded once more
        encoder = _encoder(config, mean=[0.0] * 3, std=[1.0] * 3, **needless)
    elif holds == "sentences":
        encoder = _encoder(
            config,
            vectors=next(v for name, v in state.items() if name.endswith("embedding.weight")),
        )
    else:
        encoder = _encoder(config)
    encoder.load_state_dict(state)
    return encoder.eval()


def _encoder(config: DictConfig, **inputs: Any) -> nn.Module:
    options = OmegaConf.to_container(config.encoder)
    assert isinstance(options, dict)
    if "vectors" in inputs:
        options["frozen"] = options["frozen"] and config.encoder.embedding != "learned"
        for name in ("embedding", "embedding_dim", "glove_path"):
            del options[name]
    torch.manual_seed(seed_of(config.seed, "weights", 0))
    count = config.objective.get("encoders", 1)
    try:
        encoders = [
            build_encoder(**{str(key): value for key, value in options.items()} | inputs)
            for _ in range(count)
        ]
    except ValueError as error:
        raise ConfigError(f"encoder={config.encoder.name}: {error}") from error
    encoder = encoders[0] if count == 1 else EncoderPair(*encoders)
    if config.objective.get("normalize", False):
        encoder = UnitLength(encoder)
    return (
        encoder.to(memory_format=torch.channels_last) if config.runtime.channels_last else encoder
    )


def about_data(dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    """``dataset`` of ``result.json``."""
    unlabelled, rho = dataset.unlabelled_train, dataset.train.rho
    apart = None if rho is None else majority_and_minority(rho)
    return {
        "name": dataset.name,
        "classes": len(dataset.classes),
        "train_points": len(dataset.train),
        "test_points": len(dataset.test),
        "fingerprint": fingerprint,
        **({} if unlabelled is None else {"unlabelled_points": len(unlabelled)}),
        **(
            {}
            if apart is None
            else {"majority_classes": [dataset.classes[c] for c in apart[0].tolist()]}
        ),
    }
