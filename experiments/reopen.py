"""A finished run loaded again: its encoder and its data, to be scored in other ways."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn

from crl.data.dataset import Dataset
from crl.data.text.tokens import replace_vocabulary
from crl.experiments.config.checks import check_map
from crl.experiments.config.compose import load_config
from crl.experiments.config.identity import config_hash, evaluation_of, identity
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError
from crl.experiments.evaluation.attentive import check_attentive
from crl.experiments.evaluation.encode import Features, encode_splits
from crl.experiments.evaluation.score import describe_data, score
from crl.experiments.evaluation.warnings import check_numbers
from crl.experiments.runtime.console import Say
from crl.experiments.runtime.devices import build_fabric
from crl.experiments.runtime.environment import environment
from crl.experiments.storage.run_folder import RunFolder
from crl.experiments.training.build import load_data, restore_encoder
from crl.theory.collision_probability import class_distribution

_ALLOWED = ("evaluation.", "runtime.", "dataset.root=")


@dataclass(frozen=True)
class FinishedRun:
    """A finished run. ``config`` has overrides laid over it; ``result`` is the stored one."""

    folder: RunFolder
    config: Config
    result: dict[str, Any]
    fabric: Fabric
    dataset: Dataset
    fingerprint: str
    encoder: nn.Module

    @property
    def rho(self) -> Tensor:
        """The class distribution that the run's tuples were drawn from: float64 [N]."""
        train = self.dataset.train
        return class_distribution(train.sizes) if train.rho is None else train.rho

    def test_features(self) -> Features:
        """Encode the test points: features [n, d] and labels [n]."""
        batch_size = self.config.evaluation.batch_size
        return encode_splits(self.encoder, self.dataset, batch_size, self.fabric)["test"]


def load_finished_run(run_dir: str, overrides: list[str], verb: str, say: Say) -> FinishedRun:
    """Load the finished run in a folder.

    ``overrides`` may change evaluation.*, runtime.* and dataset.root. Raises ConfigError (naming
    ``verb`` for any other override), DataError or RunError.
    """
    for override in overrides:
        if not override.startswith(_ALLOWED) or "=" not in override:
            raise ConfigError(
                f"{override}: crl {verb} takes evaluation.*, runtime.* and dataset.root only"
            )
    folder = RunFolder(Path(run_dir))
    stored = folder.read_result()
    config = load_config(folder.config, overrides)
    if stored is None:
        kept = f" (the one before is in {folder.replaced})" if folder.replaced.exists() else ""
        raise ConfigError(
            f"{run_dir} holds no finished run{kept}; start its crl train command again first"
        )
    return load_encoder(folder, config, stored, say)


def load_encoder(
    folder: RunFolder, config: Config, stored: dict[str, Any], say: Say
) -> FinishedRun:
    """Load the data and the trained encoder of a finished run.

    ``config``: the run's configuration, or one that differs in evaluation and runtime alone.
    ``stored``: its result. Raises ConfigError, DataError or RunError.
    """
    state = folder.load_checkpoint()
    if state is None:
        raise ConfigError(f"{folder.checkpoint} is missing; start the run again with force=true")
    fabric = build_fabric(config.runtime)
    dataset, fingerprint = load_data(config, say)
    if fingerprint != stored["dataset"].get("fingerprint"):
        say(
            "the data differ from those of the run: its training points may be among these test "
            "points"
        )
    try:
        if dataset.vocabulary is not None:
            dataset = replace_vocabulary(dataset, state["vocabulary"])
        encoder = restore_encoder(config, state["progress"]["best"]).to(fabric.device)
    except (
        KeyError, TypeError, AttributeError, ValueError, IndexError, StopIteration, RuntimeError,
    ) as error:  # fmt: skip
        raise ConfigError(
            f"{folder.checkpoint} does not fit {folder.config}; start the run again with force=true"
        ) from error
    return FinishedRun(folder, config, stored, fabric, dataset, fingerprint, encoder)


def evaluate_again(
    run_dir: str, overrides: list[str], command: list[str], say: Say
) -> tuple[Config, dict[str, Any]]:
    """Score a finished run with other evaluation options, or on another copy of the data.

    The result also goes to ``RUN_DIR/evaluations/<hash8>.json``; a hash of what else differs from
    the run (data, precision) is added to that name. Raises as :func:`load_finished_run` does.
    """
    run = load_finished_run(run_dir, overrides, "evaluate", say)
    result = rescored(run, command)
    names = [evaluation_of(run.config)]
    differs = (config_hash(run.config), run.fingerprint)
    stored = config_hash(load_config(run.folder.config)), run.result["dataset"].get("fingerprint")
    if differs != stored:
        names.append("".join(differs)[:16])
    try:
        say(f"written: {run.folder.write_evaluation('-'.join(names), result)}")
    except OSError as error:
        place = run.folder.evaluations
        raise ConfigError(f"{place} cannot be written ({error.strerror})") from error
    return run.config, result


def rescored(run: FinishedRun, command: list[str]) -> dict[str, Any]:
    """Return the result of a finished run with its configuration's evaluation; write nothing.

    ``command`` is recorded. Raises ConfigError or RunError.
    """
    check_attentive(run.config, run.encoder)
    check_map(run.config)
    started = time.monotonic()
    scores = score(run.config, run.fabric, run.encoder, run.dataset)
    stored = run.result
    chosen = {k: v for k, v in stored["metrics"].items() if k in ("dev.loss", "dev.step")}
    evaluate_seconds = round(time.monotonic() - started, 3)
    result = stored | {
        "dataset": describe_data(run.dataset, run.fingerprint),
        **scores,
        "metrics": scores["metrics"] | chosen,
        "timing": stored["timing"] | {"evaluate_seconds": evaluate_seconds},
        "evaluation": identity(run.config.evaluation),
        "evaluation_hash": evaluation_of(run.config),
        "scored_in": environment(
            run.fabric.device, run.config.runtime.precision, run.fingerprint, command
        ),
    }
    check_numbers(result, run.config.objective.trains)
    return result
