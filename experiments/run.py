"""One run from its configuration to its result, in order: prepare, train, evaluate, store."""

import time
from functools import partial
from typing import Any

from lightning_fabric import Fabric

from crl.experiments.config.checks import check_machine
from crl.experiments.config.identity import (
    config_hash,
    evaluation_of,
    identity,
    run_name,
    run_path,
)
from crl.experiments.config.installed import packages_of
from crl.experiments.config.schema import Config
from crl.experiments.config.tasks import fit_tasks
from crl.experiments.errors import ConfigError
from crl.experiments.evaluation.score import describe_data, score
from crl.experiments.evaluation.warnings import check_numbers
from crl.experiments.reopen import load_encoder, rescored
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
from crl.experiments.storage.results import evaluation_in
from crl.experiments.storage.run_folder import RunFolder
from crl.experiments.trackers import Trackers
from crl.experiments.training.build import Prepared, prepare
from crl.experiments.training.inputs import InputCheck, other_inputs
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
    folder, asked = RunFolder(run_path(config)), config
    finished = not config.force and folder.config.exists()
    if finished and (stored := folder.read_result()) is not None:
        folder.check_same_run(config)
        InputCheck(say)(config, stored)
        if evaluation_in(folder.path, stored) == evaluation_of(config):
            folder.remove_leftovers()
            say(f"complete already: {folder.path} (force=true runs it again)")
            return stored
        if ranks.count > 1 and ranks.environment.global_rank() > 0:
            return {}
        with folder.open(config):
            return _scored_again(config, folder, command, say)

    fabric = build_fabric(config.runtime, ranks)
    started = time.monotonic()
    prepared = rank_zero_first(fabric, partial(prepare, config, say))
    prepare_seconds = time.monotonic() - started
    config, line = fit_tasks(config, len(prepared.dataset.classes))
    if line:
        say(line)

    with rank_zero_holds(fabric, folder.open(config)):
        if not config.force and (stored := rank_zero_first(fabric, folder.read_result)):
            # Another process was faster.
            return _scored_again(asked, folder, command, say) if fabric.is_global_zero else {}
        if folder.replaced.exists():
            say(f"{folder.replaced} keeps the complete run until the new one is complete")
        with Trackers(config, folder.path, run_name(config), say) as trackers:
            about = _environment(config, fabric, prepared, command)
            if fabric.is_global_zero:
                folder.write_environment(about)
            say(f"run folder: {folder.path}")
            if config.run_dir is None and (seeds := other_inputs(folder.path, prepared)):
                say(
                    f"{', '.join(seeds)} of this configuration saw other data or encoder files; "
                    "reports keep them apart"
                )

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
                "encoder_files": prepared.encoder_files,
                "evaluation": identity(config.evaluation),
                "evaluation_hash": evaluation_of(asked),
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
            check_numbers(result, config.objective.trains)
            folder.write_result(result)
            trackers.finish(scores["metrics"])
    return result


def _scored_again(
    config: Config, folder: RunFolder, command: list[str], say: Say
) -> dict[str, Any]:
    """Score the encoder of a complete run as ``config.evaluation`` says, unless it was once.

    ``result.json`` then holds that evaluation; others stay in ``evaluations/``. Only the process
    that holds the folder's lock may call this. Raises ConfigError, DataError, RunError.
    """
    wanted = evaluation_of(config)
    stored, result = folder.read_result(), folder.read_result(wanted)
    assert stored is not None
    fitting, line = fit_tasks(config, stored["dataset"]["classes"])
    if result is None and stored.get("evaluation") == identity(fitting.evaluation):
        result = stored | {"evaluation_hash": wanted}  # typed or fitted: the same values
    if result is None:
        say(f"trained already: {folder.path}; scoring its encoder with the new evaluation options")
        if line:
            say(line)
        run = load_encoder(folder, fitting, stored, say)
        if run.fingerprint != stored["dataset"].get("fingerprint", run.fingerprint):
            raise ConfigError(
                f"dataset: the data are not those that {folder.path} was trained on; give these, "
                "or force=true to train anew"
            )
        result = rescored(run, command) | {"evaluation_hash": wanted}
    else:
        say(f"complete already: {folder.path} (force=true runs it again)")
    if evaluation_in(folder.path, stored) != wanted:
        folder.change_evaluation(result)
    return result


def _environment(
    config: Config, fabric: Fabric, prepared: Prepared, command: list[str]
) -> dict[str, Any]:
    precision = config.runtime.precision
    about = environment(fabric.device, precision, prepared.fingerprint, command)
    if packages := packages_of(config):
        about["packages"] = packages
    return about | ({"devices": fabric.world_size} if fabric.world_size > 1 else {})


def _trained(progress: Progress) -> str:
    if not progress.step:
        return "evaluating the encoder as it is"
    seconds = f"{progress.seconds:.0f} s"
    return f"trained in {seconds}; evaluating the encoder of step {progress.best_step}"
