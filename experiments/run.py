"""A run from its configuration to its result."""

import os
import shlex
import shutil
import time
from contextlib import ExitStack
from typing import Any

from omegaconf import DictConfig
from torch import nn

from data.dataset import Dataset
from data.split import Split
from experiments.config.identity import config_hash, run_name
from experiments.errors import ConfigError
from experiments.evaluation.attentive import check_attentive
from experiments.evaluation.feature_map import check_map
from experiments.evaluation.score import score
from experiments.evaluation.warnings import check_numbers
from experiments.runtime.console import Say
from experiments.runtime.environment import environment
from experiments.runtime.ranks import ALONE, Ranks, leave_process_group, rank_zero_first
from experiments.storage.run_folder import RunFolder
from experiments.trackers import Trackers
from experiments.training.build import about_data, build_fabric, make_encoder, prepare
from experiments.training.loop import fit, save_untrained
from experiments.training.loss_curves import curve

SCHEMA = 1


def run(config: DictConfig, command: list[str], say: Say, ranks: Ranks = ALONE) -> dict[str, Any]:
    """Train and evaluate, or take up a run that was broken off, or return the stored result of a
    complete one.

    command is recorded; say gets lines for the user. ``ranks``: the processes that train this run
    together, all of which call this; rank 0 alone writes, evaluates and has a result, the others
    get an empty one. Raises ConfigError, DataError or RunError.
    """
    _check_runtime(config, ranks)
    folder = RunFolder.of(config)
    if folder.config.exists() and not config.force:
        stored = folder.read_result()
        folder.check_same_run(config)
        if stored is not None:
            _check_features(config, stored)
            say(f"complete already: {folder.path} (force=true runs it again)")
            return stored
    fabric = build_fabric(config, ranks)
    started = time.monotonic()

    def ready() -> tuple[Dataset, str, Split, Split, nn.Module, str | None]:
        dataset, fingerprint = prepare(config, say)
        train, dev = dataset.contrastive_splits(config.dataset.train_fraction)
        encoder, note = make_encoder(config, dataset, train)
        check_attentive(config, encoder)
        return dataset, fingerprint, train, dev, encoder, note

    dataset, fingerprint, train, dev, encoder, note = rank_zero_first(fabric, ready)
    watch = curve(config, fabric, encoder, train, dataset)
    if config.objective.name == "supervised":
        train, dev = dataset.train.fraction(config.dataset.train_fraction), dataset.dev
    if note:
        say(note)
    prepared = time.monotonic()
    with ExitStack() as held:

        def begin() -> dict[str, Any] | None:
            if fabric.is_global_zero:
                held.enter_context(folder.open(config))
                held.enter_context(folder.recording_failure())
            return None if config.force else folder.read_result()

        if (stored := rank_zero_first(fabric, begin)) is not None:
            return stored  # another process was faster
        if folder.replaced.exists():
            say(
                f"the complete run before this one stays in {folder.replaced} until this one is complete"
            )
        loggers = held.enter_context(Trackers(config, folder.path, run_name(config), say))
        about = environment(fabric.device, fingerprint, command)
        if fabric.world_size > 1:
            about["devices"] = fabric.world_size
        if fabric.is_global_zero:
            folder.write_environment(about)
        say(f"run folder: {folder.path}")
        keep = {
            "config_hash": config_hash(config),
            "seed": config.seed,
            "data_fingerprint": fingerprint,
        }
        keep["vocabulary"] = dataset.vocabulary
        if config.objective.name == "frozen":
            loggers.start(0)
            progress = save_untrained(encoder.to(fabric.device), folder, keep)
            say("evaluating the encoder as it is")
        else:
            progress = fit(config, fabric, encoder, train, dev, folder, keep, watch, loggers)
            leave_process_group()
            if not fabric.is_global_zero:
                return {}
            say(
                f"trained in {progress.seconds:.0f} s; evaluating the encoder of step {progress.best_step}"
            )
        fitted = time.monotonic()
        found = score(config, fabric, encoder, dataset)
        result = {
            "schema": SCHEMA,
            "name": run_name(config),
            "config_hash": config_hash(config),
            "seed": config.seed,
            "dataset": about_data(dataset, fingerprint),
            **found,
            "metrics": found["metrics"] | progress.chosen_by(),
            "timing": {
                "prepare_seconds": round(prepared - started, 3),
                "train_seconds": round(progress.seconds, 3),
                "evaluate_seconds": round(time.monotonic() - fitted, 3),
                "points_per_second": round(progress.points / max(progress.seconds, 1e-9), 1),
            },
            "environment": about,
        }
        check_numbers(result)
        folder.write_result(result)
        loggers.finish(found["metrics"])
    return result


def _check_features(config: DictConfig, stored: dict[str, Any]) -> None:
    """Raise ConfigError where a file of features is not what a stored result is of: it is the whole
    experiment."""
    if (
        config.dataset.name == "features"
        and stored["dataset"]["fingerprint"] != prepare(config, lambda line: None)[1]
    ):
        raise ConfigError(
            f"dataset.root: {config.dataset.root} has changed since it was scored; add force=true"
        )


def _check_runtime(config: DictConfig, ranks: Ranks) -> None:
    """Raise ConfigError where this machine, or who starts the run, lacks what the configuration
    asks for."""
    options = config.runtime
    if options.devices > 1 and ranks is ALONE:
        raise ConfigError(
            "runtime.devices: only a crl train by itself takes several; each run of a sweep takes one"
        )
    if ranks.count > 1 and config.objective.name == "frozen":
        raise ConfigError(
            "objective=frozen: trains nothing, so that one process does it; start one, on one device"
        )
    if options.compile and shutil.which(shlex.split(os.environ.get("CXX", "g++"))[0]) is None:
        raise ConfigError(
            "runtime.compile: no C++ compiler (g++, or what CXX names) is there; use runtime.compile=false"
        )
    check_map(config)
