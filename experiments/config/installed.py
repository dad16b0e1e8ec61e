"""Choices of installed packages in a configuration: their options, and the record of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.errors import MissingConfigException
from hydra.types import RunMode
from omegaconf import OmegaConf

from crl.data.files.untrusted import read_plain_json
from crl.encoders.failures import first_line
from crl.experiments.config.choices import ChoiceError
from crl.experiments.config.option import Choice
from crl.experiments.config.schema import GROUPS, SECTIONS, Config

# What a data set of these points brings, unless its package says otherwise.
_FITTING: dict[str, dict[str, Any]] = {
    "images": {},
    "sentences": {"encoder": "bag_of_words"},
    "features": {"encoder": "identity", "objective": "frozen"},
}
# What crl asks the options of a group.
_QUESTIONS = {
    "dataset": ("loader_arguments", "most_classes", "points_are_means"),
    "encoder": ("arguments", "files", "title"),
    "objective": ("points_per_tuple",),
}
_registered: dict[str, Choice] = {}  # by place in Hydra's store


def register_installed(
    loader: ConfigLoader, overrides: Sequence[str], config_name: str = "train"
) -> None:
    """Tell Hydra the options of the installed choices that the command line leads to.

    An experiment may choose them too, so Hydra itself says which. What else is wrong with the
    overrides is left to their reader. Raises ChoiceError.
    """
    if all(len(choices) == len(choices.own) for choices in GROUPS.values()):
        return
    is_new = True
    while is_new:
        try:
            found = loader.compute_defaults_list(config_name, list(overrides), RunMode.RUN)
            places = [default.config_path or "" for default in found.defaults]
        except MissingConfigException as error:
            places = [error.missing_cfg_file or ""]
        except Exception:  # overrides that their reader refuses, in his words
            return
        is_new = sum(map(_register, places)) > 0  # every place is registered


def _register(place: str) -> bool:
    """Store the choice at a place such as ``dataset/rings``; return whether that was new."""
    group, _, name = place.removeprefix("schema/").rpartition("/")
    choices = GROUPS.get(group)
    if choices is None or name in choices.own or name not in choices:
        return False
    choice = choices[name]
    if _registered.get(place) is choice:
        return False
    _registered[place] = choice
    store, options = ConfigStore.instance(), choice.options(name=name)
    store.store(name, options, f"schema/{group}")
    if group == "dataset":
        store.store(name, _with_defaults(name, choice), group, package="_global_")
    else:
        store.store(name, options, group)
    return True


def _with_defaults(name: str, choice: Choice) -> dict[str, Any]:
    """Return what a YAML file in configs/dataset/ would hold."""
    given = dict(choice.defaults)
    if "encoder" not in given:
        given = _FITTING[choice.points] | given
    defaults: list[dict[str, Any]] = [{"/schema/dataset@dataset": name}]
    defaults += [{f"override /{key}": value} for key, value in given.items() if key in GROUPS]
    options = OmegaConf.create()
    for key, value in given.items():
        _check_default(name, choice.points, key, value)
        if key not in GROUPS:
            OmegaConf.update(options, key, value)
    return {"defaults": defaults, **OmegaConf.to_container(options)}  # type: ignore[dict-item]


def _check_default(name: str, points: str, key: str, value: Any) -> None:
    """Raise ChoiceError unless every configuration has the option, and the value is of its type."""
    group, _, option = key.partition(".")
    if option == "" and group in GROUPS and group != "dataset" and value in GROUPS[group]:
        return
    bases = GROUPS[group].bases if group in GROUPS and group != "dataset" else {}
    schema = SECTIONS.get(group) or bases.get(points) or bases.get("")
    try:
        OmegaConf.update(OmegaConf.structured(schema), option, value)
    except Exception as error:
        raise ChoiceError(
            f"dataset={name}: {GROUPS['dataset'].package(name)} gives {key}={value} as a default, "
            f"which no run takes ({first_line(error)})"
        ) from error


def check_own(config: Config) -> None:
    """Raise ChoiceError if an installed package offers one of crl's own choices too."""
    for group, choices in GROUPS.items():
        choices.check_own(getattr(config, group).name)


def check_answers(config: Config) -> None:
    """Raise ChoiceError if the options of an installed choice cannot answer what crl asks them."""
    for group, choices in GROUPS.items():
        options = getattr(config, group)
        for question in _QUESTIONS.get(group, ()) if options.name not in choices.own else ():
            try:
                answer = getattr(options, question)
                if callable(answer):
                    answer()
            except Exception as error:
                raise ChoiceError(
                    f"{group}={options.name}: {type(options).__name__}.{question} of "
                    f"{choices.package(options.name)} fails ({first_line(error)})"
                ) from error


def packages_of(config: Config) -> dict[str, str]:
    """Return the package behind each installed choice, as ``{"dataset=rings": "mine 1.0"}``."""
    named = {group: (getattr(config, group).name, choices) for group, choices in GROUPS.items()}
    return {
        f"{group}={name}": choices.package(name)
        for group, (name, choices) in named.items()
        if name not in choices.own
    }


def check_offered(folder: Path, stored: Mapping[str, Any]) -> None:
    """Raise ChoiceError if a package is gone that offered a choice when a run was made.

    ``folder``: the run's. ``stored``: its configuration.
    """
    try:
        packages = dict(read_plain_json(folder / "environment.json")["packages"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    for group, choices in GROUPS.items():
        name = stored[group].get("name") if isinstance(stored.get(group), dict) else None
        package = packages.get(f"{group}={name}")
        if package is not None and name not in choices:
            raise ChoiceError(
                f"{folder}: {group}={name} is a choice of {package}, which is not installed; "
                "install it"
            )
