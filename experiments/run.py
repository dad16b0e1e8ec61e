"""A run from its configuration to its result."""

import logging
import os
import shlex
import shutil
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from torch import nn

from crl.encoders import build_encoder
from crl.encoders.pair import EncoderPair
from crl.encoders.unit_length import UnitLength
from data.dataset import Dataset, pixel_statistics
from data.files import write_json
from data.registry import DATASETS, load_dataset
from data.sampler import generator
from data.split import Split
from experiments.config import config_hash, run_name
from experiments.curve import curve
from experiments.environment import environment
from experiments.errors import ConfigError
from experiments.evaluation import check_evaluation, encode_splits, evaluate
from experiments.feature_map import check_map, feature_map
from experiments.fit import fit, leave_as_it_is
from experiments.memory import keep_freed_memory
from experiments.probe import attentive_metrics, check_attentive
from experiments.run_folder import RunFolder
from experiments.theory import latent_theory
from experiments.word_vectors import word_vectors

SCHEMA = 1
Say = Callable[[str], None]


def run(config: DictConfig, command: list[str], say: Say) -> dict[str, Any]:
    """Train and evaluate, or take up a run that was broken off, or return the stored result of a complete one.

    command is recorded; say gets lines for the user. Raises ConfigError, DataError or RunError.
    """
    folder = RunFolder.of(config)
    if folder.config.exists() and not config.force:
        folder.check_same_run(config)
        if (stored := folder.read_result()) is not None:
            say(f"complete already: {folder.path} (force=true runs it again)")
            return stored
    if config.runtime.compile and shutil.which(shlex.split(os.environ.get("CXX", "g++"))[0]) is None:
        raise ConfigError("runtime.compile: no C++ compiler (g++, or what CXX names) is there; use runtime.compile=false")
    fabric = build_fabric(config)
    started = time.monotonic()
    dataset, fingerprint = prepare(config, say)
    train, dev = dataset.similar(config.dataset.train_fraction)
    encoder, note = make_encoder(config, dataset, train)
    check_attentive(config, encoder)
    check_map(config)
    watch = curve(config, fabric, encoder, train, dataset)
    if config.objective.name == "supervised":
        train, dev = dataset.train.fraction(config.dataset.train_fraction), dataset.dev
    if note:
        say(note)
    prepared = time.monotonic()
    with folder.open(config):
        about = environment(fabric.device, fingerprint, command)
        write_json(folder.environment, about)
        say(f"run folder: {folder.path}")
        keep = {"config_hash": config_hash(config), "seed": config.seed, "data_fingerprint": fingerprint}
        keep["vocabulary"] = dataset.vocabulary
        if config.objective.name == "frozen":
            progress = leave_as_it_is(encoder, folder, keep)
            say("evaluating the encoder as it is")
        else:
            progress = fit(config, fabric, encoder, train, dev, folder, keep, watch)
            say(f"trained in {progress.seconds:.0f} s; evaluating the encoder of step {progress.best_step}")
        fitted = time.monotonic()
        features = encode_splits(config, fabric, encoder, dataset)
        metrics = evaluate(config, features, len(dataset.classes))
        metrics |= attentive_metrics(config, fabric, encoder, dataset)
        result = {
            "schema": SCHEMA,
            "name": run_name(config),
            "config_hash": config_hash(config),
            "seed": config.seed,
            "dataset": about_data(dataset, fingerprint),
            "metrics": metrics | progress.chosen_by(),
            "theory": latent_theory(config, fabric, encoder, dataset, features),
            "map": feature_map(config, features["test"], len(dataset.classes)),
            "timing": {
                "prepare_seconds": round(prepared - started, 3),
                "train_seconds": round(progress.seconds, 3),
                "evaluate_seconds": round(time.monotonic() - fitted, 3),
                "points_per_second": round(progress.points / max(progress.seconds, 1e-9), 1),
            },
            "environment": about,
        }
        write_json(folder.result, result)
    return result


def build_fabric(config: DictConfig) -> Fabric:
    """Device, precision, threads, and how the process treats memory and determinism, for a run.

    Raises ConfigError for a device that is not there.
    """
    options = config.runtime
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("runtime.device: no CUDA device is available; use runtime.device=cpu or auto")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        keep_freed_memory()
    torch.use_deterministic_algorithms(device == "cpu")
    # Nothing here reads what it has not written; to fill it costs up to a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    fabric = Fabric(accelerator=device, devices=1, precision="bf16-mixed" if options.precision == "bf16" else "32-true")
    fabric.launch()
    return fabric


def prepare(config: DictConfig, say: Say) -> tuple[Dataset, str]:
    """The data set that the configuration names and its fingerprint, checked against what is to be done with it."""
    options = OmegaConf.to_container(config.dataset)
    assert isinstance(options, dict)
    chosen = {str(key): value for key, value in options.items() if key not in ("name", "train_fraction", "augment")}
    dataset = load_dataset(config.dataset.name, **chosen)
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


def make_encoder(config: DictConfig, dataset: Dataset, train: Split) -> tuple[nn.Module, str | None]:
    """(a fresh encoder, a line worth saying aloud or None); its weights depend on the seed alone.

    What it must know of its input (pixel statistics, word vectors) comes from the points that it is trained on. Raises
    ConfigError for an encoder that cannot read them.
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
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            raise ConfigError(f"encoder={config.encoder.name} cannot read dataset={dataset.name} ({why})") from error
    return encoder.train(), note


def restore_encoder(config: DictConfig, state: dict[str, torch.Tensor]) -> nn.Module:
    """The encoder of a checkpoint, which holds the statistics or word vectors that it was made with."""
    holds = DATASETS[config.dataset.name].holds
    if holds == "images":
        needless = {"weights": "random"} if "weights" in config.encoder else {}  # to be read or downloaded once more
        encoder = _encoder(config, mean=[0.0] * 3, std=[1.0] * 3, **needless)
    elif holds == "sentences":
        encoder = _encoder(config, vectors=next(v for name, v in state.items() if name.endswith("embedding.weight")))
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
    torch.manual_seed(generator(config.seed, "weights", 0).initial_seed())
    count = config.objective.get("encoders", 1)
    try:
        encoders = [build_encoder(**{str(key): value for key, value in options.items()} | inputs) for _ in range(count)]
    except ValueError as error:
        raise ConfigError(f"encoder={config.encoder.name}: {error}") from error
    encoder = encoders[0] if count == 1 else EncoderPair(*encoders)
    if config.objective.get("normalize", False):
        encoder = UnitLength(encoder)
    return encoder.to(memory_format=torch.channels_last) if config.runtime.channels_last else encoder


def about_data(dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    """``dataset`` of ``result.json``."""
    unlabelled = dataset.unlabelled_train
    return {
        "name": dataset.name,
        "classes": len(dataset.classes),
        "train_points": len(dataset.train),
        "test_points": len(dataset.test),
        "fingerprint": fingerprint,
    } | ({} if unlabelled is None else {"unlabelled_points": len(unlabelled)})
