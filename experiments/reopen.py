"""A finished run taken up again: its encoder and its data, to be scored anew or looked at in other
ways."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from crl.theory.bounds import class_distribution
from data.dataset import Dataset
from data.files.atomic import write_checked_json
from data.text.tokens import replace_vocabulary
from experiments.config.compose import load_config
from experiments.config.identity import config_hash
from experiments.errors import ConfigError
from experiments.evaluation.attentive import check_attentive
from experiments.evaluation.feature_map import check_map
from experiments.evaluation.score import score
from experiments.evaluation.warnings import check_numbers
from experiments.runtime.console import Say
from experiments.runtime.environment import environment
from experiments.storage.run_folder import RunFolder
from experiments.training.build import about_data, build_fabric, prepare, restore_encoder

_ALLOWED = ("evaluation.", "runtime.", "dataset.root=")


@dataclass(frozen=True)
class FinishedRun:
    """``config``: the run's own with overrides laid over it; ``result``: as it was stored."""

    folder: RunFolder
    config: DictConfig
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


def load_finished_run(run_dir: str, overrides: list[str], verb: str, say: Say) -> FinishedRun:
    """The finished run in a folder. Of its options, evaluation.*, runtime.* and dataset.root can be
    overridden.

    Raises ConfigError (naming the verb where an override is none of these), DataError or RunError.
    """
    for override in overrides:
        if not override.startswith(_ALLOWED) or "=" not in override:
            raise ConfigError(
                f"{override}: crl {verb} takes evaluation.*, runtime.* and dataset.root only"
            )
    folder = RunFolder(Path(run_dir))
    stored = folder.read_result()
    config = load_config(folder.config, overrides)
    state = folder.load_checkpoint()
    if stored is None or state is None:
        kept = f" (the one before is in {folder.replaced})" if folder.replaced.exists() else ""
        raise ConfigError(
            f"{run_dir} holds no finished run{kept}; start its crl train command again first"
        )
    fabric = build_fabric(config)
    dataset, fingerprint = prepare(config, say)
    if fingerprint != stored["dataset"].get("fingerprint"):
        say(
            "the data differ from those of the run: its training points may be among these test points"
        )
    try:
        if dataset.vocabulary is not None:
            dataset = replace_vocabulary(dataset, state["vocabulary"])
        encoder = restore_encoder(config, state["progress"]["best"]).to(fabric.device)
    except (
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        IndexError,
        StopIteration,
        RuntimeError,
    ) as error:
        raise ConfigError(
            f"{folder.checkpoint} does not fit {folder.config}; start the run again with force=true"
        ) from error
    return FinishedRun(folder, config, stored, fabric, dataset, fingerprint, encoder)


def evaluate_again(
    run_dir: str, overrides: list[str], command: list[str], say: Say
) -> tuple[DictConfig, dict[str, Any]]:
    """(configuration, result) of scoring a finished run under other evaluation options or on
    another copy of the data.

    The result is also written to ``RUN_DIR/evaluations/<hash8>.json``. Raises as :func:`load_finished_run`
    does.
    """
    run = load_finished_run(run_dir, overrides, "evaluate", say)
    check_attentive(run.config, run.encoder)
    check_map(run.config)
    config, dataset = run.config, run.dataset
    started = time.monotonic()
    found = score(config, run.fabric, run.encoder, dataset)
    chosen = {
        name: run.result["metrics"][name]
        for name in ("dev.loss", "dev.step")
        if name in run.result["metrics"]
    }
    result = run.result | {
        "dataset": about_data(dataset, run.fingerprint),
        **found,
        "metrics": found["metrics"] | chosen,
        "timing": run.result["timing"] | {"evaluate_seconds": round(time.monotonic() - started, 3)},
        "evaluation": OmegaConf.to_container(config.evaluation),
        "environment": environment(run.fabric.device, run.fingerprint, command),
    }
    check_numbers(result)
    target = run.folder.path / "evaluations" / f"{config_hash(config)}.json"
    try:
        target.parent.mkdir(exist_ok=True)
        write_checked_json(target, result)
    except OSError as error:
        raise ConfigError(f"{target.parent} cannot be written ({error.strerror})") from error
    say(f"written: {target}")
    return config, result
