"""A run from its configuration to its result."""

import logging
import os
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from torch import nn

from crl.encoders import build_encoder
from crl.encoders.pair import EncoderPair
from data.dataset import Dataset, pixel_statistics
from data.files import write_checked_json
from data.registry import DATASETS, load_dataset
from data.sampler import generator
from data.split import Split
from data.text import in_words_of
from experiments.config import config_hash, load_config, run_name
from experiments.curve import curve
from experiments.environment import environment
from experiments.errors import ConfigError
from experiments.evaluation import check_evaluation, encode_splits, evaluate
from experiments.fit import fit
from experiments.memory import keep_freed_memory
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
        stored = folder.read_result()
        folder.check_same_run(config)
        if stored is not None:
            say(f"complete already: {folder.path} (force=true runs it again)")
            return stored
    if config.runtime.compile and shutil.which(shlex.split(os.environ.get("CXX", "g++"))[0]) is None:
        raise ConfigError("runtime.compile: no C++ compiler (g++, or what CXX names) is there; use runtime.compile=false")
    fabric = build_fabric(config)
    started = time.monotonic()
    dataset, fingerprint = prepare(config, say)
    train, dev = dataset.similar(config.dataset.train_fraction)
    encoder, note = make_encoder(config, dataset, train)
    watch = curve(config, fabric, encoder, train, dataset)
    if config.objective.name == "supervised":
        train, dev = dataset.train.fraction(config.dataset.train_fraction), dataset.dev
    if note:
        say(note)
    prepared = time.monotonic()
    with folder.open(config):
        if not config.force and (stored := folder.read_result()) is not None:
            return stored  # another process was faster
        if folder.replaced.exists():
            say(f"the complete run before this one stays in {folder.replaced} until this one is complete")
        about = environment(fabric.device, fingerprint, command)
        folder.write_environment(about)
        say(f"run folder: {folder.path}")
        keep = {"config_hash": config_hash(config), "seed": config.seed, "data_fingerprint": fingerprint}
        keep["vocabulary"] = dataset.vocabulary
        progress = fit(config, fabric, encoder, train, dev, folder, keep, watch)
        fitted = time.monotonic()
        say(f"trained in {progress.seconds:.0f} s; evaluating the encoder of step {progress.best_step}")
        features = encode_splits(config, fabric, encoder, dataset)
        metrics = evaluate(config, features, len(dataset.classes))
        result = {
            "schema": SCHEMA,
            "name": run_name(config),
            "config_hash": config_hash(config),
            "seed": config.seed,
            "dataset": _about(dataset, fingerprint),
            "metrics": metrics | {"dev.loss": progress.best_loss, "dev.step": progress.best_step},
            "theory": latent_theory(config, fabric, encoder, dataset, features),
            "timing": {
                "prepare_seconds": round(prepared - started, 3),
                "train_seconds": round(progress.seconds, 3),
                "evaluate_seconds": round(time.monotonic() - fitted, 3),
                "points_per_second": round(progress.points / progress.seconds, 1),
            },
            "environment": about,
        }
        folder.write_result(result)
    return result


def evaluate_again(run_dir: str, overrides: list[str], command: list[str], say: Say) -> tuple[DictConfig, dict[str, Any]]:
    """(configuration, result) of scoring a finished run under other evaluation options or on another copy of the data.

    The result is also written to ``RUN_DIR/evaluations/<hash8>.json``. Raises ConfigError, DataError or RunError.
    """
    allowed = ("evaluation.", "runtime.", "dataset.root=")
    for override in overrides:
        if not override.startswith(allowed) or "=" not in override:
            raise ConfigError(f"{override}: crl evaluate takes evaluation.*, runtime.* and dataset.root only")
    folder = RunFolder(Path(run_dir))
    stored = folder.read_result()
    config = load_config(folder.config, overrides)
    state = folder.load_checkpoint()
    if stored is None or state is None:
        kept = f" (the one before is in {folder.replaced})" if folder.replaced.exists() else ""
        raise ConfigError(f"{run_dir} holds no finished run{kept}; start its crl train command again first")
    fabric = build_fabric(config)
    dataset, fingerprint = prepare(config, say)
    if fingerprint != stored["dataset"].get("fingerprint"):
        say("the data differ from those of the run: its training points may be among these test points")
    try:
        if dataset.vocabulary is not None:
            dataset = in_words_of(dataset, state["vocabulary"])
        encoder = restore_encoder(config, state["progress"]["best"]).to(fabric.device)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, StopIteration, RuntimeError) as error:
        raise ConfigError(
            f"{folder.checkpoint} does not fit {folder.config}; start the run again with force=true"
        ) from error
    started = time.monotonic()
    features = encode_splits(config, fabric, encoder, dataset)
    metrics = evaluate(config, features, len(dataset.classes))
    result = stored | {
        "dataset": _about(dataset, fingerprint),
        "metrics": metrics
        | {name: stored["metrics"][name] for name in ("dev.loss", "dev.step") if name in stored["metrics"]},
        "theory": latent_theory(config, fabric, encoder, dataset, features),
        "timing": stored["timing"] | {"evaluate_seconds": round(time.monotonic() - started, 3)},
        "evaluation": OmegaConf.to_container(config.evaluation),
        "environment": environment(fabric.device, fingerprint, command),
    }
    target = folder.path / "evaluations" / f"{config_hash(config)}.json"
    try:
        target.parent.mkdir(exist_ok=True)
        write_checked_json(target, result)
    except OSError as error:
        raise ConfigError(f"{target.parent} cannot be written ({error.strerror})") from error
    say(f"written: {target}")
    return config, result


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
    if DATASETS[config.dataset.name].holds == "images":
        mean, std = pixel_statistics(train)
        encoder, note = _encoder(config, mean=mean, std=std), None
    else:
        vectors, note = word_vectors(config, dataset, train)
        encoder = _encoder(config, vectors=vectors)
    with torch.no_grad():
        try:
            encoder.eval()(train.points.gather(torch.arange(2)))
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            raise ConfigError(f"encoder={config.encoder.name} cannot read dataset={dataset.name} ({why})") from error
    return encoder.train(), note


def restore_encoder(config: DictConfig, state: dict[str, torch.Tensor]) -> nn.Module:
    """The encoder of a checkpoint, which holds the statistics or word vectors that it was made with."""
    if DATASETS[config.dataset.name].holds == "images":
        encoder = _encoder(config, mean=[0.0] * 3, std=[1.0] * 3)
    else:
        encoder = _encoder(config, vectors=next(v for name, v in state.items() if name.endswith("embedding.weight")))
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
        encoders = [build_encoder(**{str(key): value for key, value in options.items()}, **inputs) for _ in range(count)]
    except ValueError as error:
        raise ConfigError(f"encoder={config.encoder.name}: {error}") from error
    encoder = encoders[0] if count == 1 else EncoderPair(*encoders)
    return encoder.to(memory_format=torch.channels_last) if config.runtime.channels_last else encoder


def _about(dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    unlabelled = dataset.unlabelled_train
    return {
        "name": dataset.name,
        "classes": len(dataset.classes),
        "train_points": len(dataset.train),
        "test_points": len(dataset.test),
        "fingerprint": fingerprint,
    } | ({} if unlabelled is None else {"unlabelled_points": len(unlabelled)})
