"""One run from its configuration to its result, in order: prepare, train, evaluate, store."""

import time
from functools import partial
from typing import Any

from lightning_fabric import Fabric

from crl.experiments.config.checks import check_machine
from crl.experiments.config.datasets import FeaturesConfig
from crl.experiments.config.identity import config_hash, run_name, run_path
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError
from crl.experiments.evaluation.score import describe_data, score
from crl.experiments.evaluation.warnings import check_numbers
from crl.experiments.runtime.console import Say
from crl.experiments.runtime.devices import build_fabric
from crl.experiments.runtime.environment import environment
from crl.experiments.runtime.ranks import (
    ALONE,
    Ranks,
    leave_process_group,
    rank_zero_first,
    rank_zero_holds,
)
from crl.experiments.storage.run_folder import RunFolder
from crl.experiments.trackers import Trackers
from crl.experiments.training.build import Prepared, load_data, prepare
from crl.experiments.training.loop import fit
from crl.experiments.training.progress import Progress, save_untrained

SCHEMA = 1


def run(config: Config, command: list[str], say: Say, ranks: Ranks = ALONE) -> dict[str, Any]:
    """Train and evaluate, or return the stored result of a complete run.

    An interrupted run goes on from its checkpoint. ``command`` is recorded. ``ranks``: the
    processes that train this run together; all of them call this. Rank 0 alone writes, evaluates
    and returns the result; the others return an empty one. Raises ConfigError, DataError, RunError.
    """
    check_machine(config, ranks.count, takes_several=ranks is not ALONE)
    folder = RunFolder(run_path(config))
    if (stored := _stored_result(config, folder)) is not None:
        folder.remove_leftovers()
        say(f"complete already: {folder.path} (force=true runs it again)")
        return stored

    fabric = build_fabric(config.runtime, ranks)
    started = time.monotonic()
    prepared = rank_zero_first(fabric, partial(prepare, config, say))
    prepare_seconds = time.monotonic() - started

    with rank_zero_holds(fabric, folder.open(config)):
        if not config.force and (stored := rank_zero_first(fabric, folder.read_result)):
            return stored  # another process was faster
        if folder.replaced.exists():
            say(f"{folder.replaced} keeps the complete run until the new one is complete")
        with Trackers(config, folder.path, run_name(config), say) as trackers:
            about = _environment(fabric, prepared, command)
            if fabric.is_global_zero:
                folder.write_environment(about)
            say(f"run folder: {folder.path}")

            if config.objective.trains:
                progress = fit(config, fabric, prepared, folder, trackers)
                leave_process_group()
            else:
                trackers.start(0)
                prepared.encoder.to(fabric.device)
                progress = save_untrained(config, prepared, folder)
            if not fabric.is_global_zero:
                return {}
            say(_trained(progress))

            trained = time.monotonic()
            scores = score(config, fabric, prepared.encoder, prepared.dataset)
            evaluate_seconds = time.monotonic() - trained

            result = {
                "schema": SCHEMA,
                "name": run_name(config),
                "config_hash": config_hash(config),
                "seed": config.seed,
                "dataset": describe_data(prepared.dataset, prepared.fingerprint),
                **scores,
                "metrics": scores["metrics"] | progress.chosen_by(),
                "timing": {
                    "prepare_seconds": round(prepare_seconds, 3),
                    "train_seconds": round(progress.seconds, 3),
                    "evaluate_seconds": round(evaluate_seconds, 3),
                    "points_per_second": round(progress.points / max(progress.seconds, 1e-9), 1),
                },
                "environment": about,
            }
            check_numbers(result)
            folder.write_result(result)
            trackers.finish(scores["metrics"])
    return result


def _stored_result(config: Config, folder: RunFolder) -> dict[str, Any] | None:
    """Return the result of a complete run, unless it is to be replaced. Raises ConfigError."""
    if config.force or not folder.config.exists():
        return None
    stored = folder.read_result()
    folder.check_same_run(config)
    # A file of features is the whole experiment, so it must still be the one that was scored.
    if stored is not None and isinstance(config.dataset, FeaturesConfig):
        fingerprint = load_data(config, lambda line: None)[1]
        if stored["dataset"]["fingerprint"] != fingerprint:
            raise ConfigError(
                f"dataset.root: {config.dataset.root} has changed since it was scored; add "
                "force=true"
            )
    return stored


def _environment(fabric: Fabric, prepared: Prepared, command: list[str]) -> dict[str, Any]:
    about = environment(fabric.device, prepared.fingerprint, command)
    return about | ({"devices": fabric.world_size} if fabric.world_size > 1 else {})


def _trained(progress: Progress) -> str:
    if not progress.step:
        return "evaluating the encoder as it is"
    seconds = f"{progress.seconds:.0f} s"
    return f"trained in {seconds}; evaluating the encoder of step {progress.best_step}"
