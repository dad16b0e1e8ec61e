"""The options of ``hydra/sweeper=optuna``, named as in Hydra's plug-in hydra-optuna-sweeper.

That plug-in is not used: its release for this Hydra needs an Optuna of 2021. Imports no Optuna.
"""

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import MISSING

BASIC, OPTUNA = "basic", "optuna"
PACKAGES = ("optuna", "cmaes")  # what it imports


@dataclass
class SamplerOptions:
    """``seed``: of the sampler's draws; one seed proposes the same trials every time."""

    seed: int = 0


@dataclass
class TPEOptions(SamplerOptions):
    """``n_startup_trials``: trials at random before the first that learns from others.

    ``n_ei_candidates``: the values that it weighs for each trial. ``multivariate``: whether it
    looks at all options together (null: as Optuna does by itself).
    """

    n_startup_trials: int = 10
    n_ei_candidates: int = 24
    multivariate: bool | None = None


@dataclass
class CmaEsOptions(SamplerOptions):
    """``sigma0``: the width of the first steps (null: a sixth of the narrowest interval)."""

    n_startup_trials: int = 1
    sigma0: float | None = None


# Name behind hydra/sweeper/sampler= -> its options, and its class in optuna.samplers.
SAMPLERS: dict[str, tuple[type[SamplerOptions], str]] = {
    "tpe": (TPEOptions, "TPESampler"),
    "random": (SamplerOptions, "RandomSampler"),
    "grid": (SamplerOptions, "GridSampler"),
    "cmaes": (CmaEsOptions, "CmaEsSampler"),
}


@dataclass
class OptunaOptions:
    """``n_trials``: trials in all. ``n_jobs``: trials proposed at once, then run as a batch.

    ``metric``: the metric of result.json that chooses the best trial; ``direction``: "minimize" or
    "maximize" (null: as the metric asks). ``storage``: the URL of a database that gets the trials
    too, as the study ``study_name``. ``params``: values to sweep over, beside those of the command
    line, such as ``{optimizer.lr: "interval(0.001, 0.1)"}``.
    """

    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"sampler": "tpe"}])
    sampler: SamplerOptions = MISSING
    n_trials: int = 20
    n_jobs: int = 2
    metric: str = "dev.loss"
    direction: str | None = None
    storage: str | None = None
    study_name: str | None = None
    params: Any = None  # a mapping; typed so, one on the command line could not replace it


@cache
def register_sweepers() -> None:
    """Tell Hydra the options, also where its own plug-in of this name is installed."""
    Plugins.instance()  # it registers what the installed plug-ins have; ours comes after
    store = ConfigStore.instance().store
    store(OPTUNA, OptunaOptions, "hydra/sweeper")
    for name, (options, _) in SAMPLERS.items():
        store(name, options, "hydra/sweeper/sampler")


def is_sweeper_option(name: str) -> bool:
    """Return whether the option chooses or sets up the sweeper."""
    return name.startswith(("hydra/sweeper", "hydra.sweeper."))


def option_names() -> list[str]:
    """The names behind ``hydra.sweeper.``."""
    return [spec.name for spec in fields(OptunaOptions) if spec.name != "defaults"]
