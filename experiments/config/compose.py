"""Composing a configuration with Hydra, checking it, and naming the run that it describes."""

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

from antlr4.error.Errors import RecognitionException
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import configs
from crl.encoders import ENCODERS
from data.datasets.registry import DATASETS
from data.files.plain import read_plain_yaml
from experiments.config.schema import (
    SCHEMAS,
    Config,
    EncoderConfig,
    SentenceEncoderConfig,
    TrainingConfig,
    check,
    schema_of,
)
from experiments.errors import ConfigError
from experiments.trackers import check_installed

CONFIG_DIR = Path(configs.__file__).parent
# As a key, which Hydra would import; not inside of a value, like a path's
_TARGET = re.compile(r"""(^[+~]*|[.{,@'"\s])_target_['"]?\s*([=:@]|$)""")
_INTERNAL = (
    "rate",
    "preset",
    "hydra",
    "schema",
    "config",
)  # groups that are not the user's to choose


def register() -> None:
    """Make the schema known to Hydra: ``schema`` at the root, ``schema/<group>: <choice>`` for the
    groups' files."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for group, choices in SCHEMAS.items():
        for choice, schema in choices.items():
            store.store(group=f"schema/{group}", name=choice, node=schema)
    for name in ENCODERS:  # an encoder with no options of its own needs no file
        if name not in SCHEMAS["encoder"]:
            store.store(group="encoder", name=name, node=_encoder_schema(name)(name=name))


def _encoder_schema(name: str) -> type[EncoderConfig]:
    plain = EncoderConfig if ENCODERS[name].reads == "images" else SentenceEncoderConfig
    return SCHEMAS["encoder"].get(name, plain)


@contextmanager
def hydra_started(overrides: Sequence[str]) -> Iterator[Hydra]:
    """Hydra with the configuration files and the schema; what it says against an override becomes a
    ConfigError."""
    for override in overrides:
        if _TARGET.search(override):
            raise ConfigError(f"{override}: no such option; nothing is imported by name (_target_)")
    register()
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            yield hydra
    except RecursionError as error:
        raise ConfigError("an option is nested too deeply") from error
    except (
        HydraException,
        OmegaConfBaseException,
        MissingConfigException,
        ValueError,
        RecognitionException,
    ) as error:
        raise ConfigError(_one_line(error, overrides)) from error


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """The configuration that the command line describes, resolved and checked. Raises
    ConfigError."""
    _refuse(overrides)
    overrides = list(spelled_out(overrides))
    with hydra_started(overrides):
        try:
            config = compose("train", overrides)
            OmegaConf.resolve(config)
        except (
            AssertionError,
            AttributeError,
            KeyError,
            TypeError,
        ) as error:  # of Hydra's own, for what it did not expect
            why = str(error).split("\n")[0]
            raise ConfigError(
                f"{' '.join(overrides)}: these options cannot be put together ({why})"
            ) from error
    check_config(config)
    check_installed(
        config
    )  # of a stored configuration that is only read, nothing need be installed
    return config


def spelled_out(overrides: Sequence[str]) -> Iterator[str]:
    """``encoder=torchvision:resnet18`` is short for encoder=torchvision encoder.model=resnet18; so
    is installed:NAME."""
    for override in overrides:
        choice, colon, model = override.partition(":")
        if colon and choice in ("encoder=torchvision", "encoder=installed"):
            yield from (choice, f"encoder.model={quoted(model)}")
        else:
            yield override


def is_launcher_option(name: str) -> bool:
    """Whether it chooses or sets up what starts the runs of a sweep."""
    return name.startswith(("hydra/launcher", "hydra.launcher."))


def _refuse(overrides: Sequence[str]) -> None:
    """Raise ConfigError for an override that Hydra would take, but that is not the user's to
    give."""
    for override in overrides:
        name = override.lstrip("+~").partition("=")[0]
        if name in _INTERNAL:
            raise ConfigError(
                f"{override}: {name} follows from the data set, the encoder and the optimiser; choose those"
            )
        if name in SCHEMAS and override.endswith("=null"):
            raise ConfigError(f"{override}: choose one of {', '.join(choices(name))}")
        if is_launcher_option(name):
            raise ConfigError(f"{override}: a launcher starts the runs of a sweep; add -m")
        if override.startswith("-") or name.startswith(("hydra.", "hydra/")):
            raise ConfigError(
                f"{override}: no such option; options are written OPTION=VALUE (crl train --help)"
            )


def combinations(overrides: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """(names of the swept options, every combination of their values as overrides of a single run).

    An override sweeps if its value is ``a,b``, ``range(...)``, ``choice(...)`` or ``glob(...)``;
    the last option named varies fastest, as with Hydra's own sweeper. Raises ConfigError for what
    cannot be read.
    """
    _refuse(overrides)
    with hydra_started(overrides) as hydra:
        swept: dict[str, None] = {}
        axes: list[list[str]] = []
        for override in OverridesParser.create(hydra.config_loader).parse_overrides(
            list(overrides)
        ):
            if not override.is_sweep_override():
                axes.append([str(override.input_line)])
            elif not override.is_discrete_sweep():
                raise ConfigError(
                    f"{override.input_line}: an interval has endless values; list some, like a,b,c"
                )
            else:
                key = override.get_key_element()
                swept[key.lstrip("+")] = None
                axes.append(
                    [_plain(f"{key}={value}") for value in override.sweep_string_iterator()]
                )
                if not axes[-1]:
                    raise ConfigError(f"{override.input_line}: there is no value in it")
    return list(swept), [list(chosen) for chosen in itertools.product(*axes)]


def _plain(override: str) -> str:
    """As it is typed: Hydra escapes the colon of ``encoder=torchvision:resnet18``."""
    return override.replace("\\:", ":") if override.startswith("encoder=") else override


def load_config(path: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """A run folder's stored configuration with overrides laid over it, resolved and checked. Raises
    ConfigError."""
    try:
        stored = OmegaConf.create(read_plain_yaml(path))
        config = OmegaConf.structured(Config)
        for group, schemas in SCHEMAS.items():
            name = stored[group].get("name", "default")
            config[group] = OmegaConf.structured(
                _encoder_schema(name) if group == "encoder" else schemas[name]
            )
        OmegaConf.set_struct(config, True)
        config = OmegaConf.merge(config, stored, OmegaConf.from_dotlist(list(overrides)))
        OmegaConf.resolve(config)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; is {path.parent} a run folder?") from error
    except (
        OmegaConfBaseException,
        AssertionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise ConfigError(f"{path}: {_one_line(error, overrides)}") from error
    assert isinstance(config, DictConfig)
    check_config(config)
    return config


def check_config(config: DictConfig) -> None:
    """Bounds of every option, and what must fit together. Raises ConfigError."""
    check(config)
    for group, schemas in SCHEMAS.items():
        name = config[group].get("name", "default")
        wanted = (
            _encoder_schema(name) if group == "encoder" and name in ENCODERS else schemas.get(name)
        )
        if wanted is not schema_of(config[group]):
            raise ConfigError(
                f"{group}.name: {name!r} cannot be set; choose one with {group}={'|'.join(choices(group))}"
            )
    reads, holds = ENCODERS[config.encoder.name].reads, DATASETS[config.dataset.name].holds
    if reads != holds:
        fitting = ", ".join(name for name, entry in ENCODERS.items() if entry.reads == holds)
        raise ConfigError(
            f"encoder={config.encoder.name} reads {reads}, but dataset={config.dataset.name} holds {holds}; "
            f"choose encoder={fitting}"
        )
    _check_imbalance(config.dataset)
    objective, tuples = config.objective, config.training.batch_size
    if config.encoder.name == "identity" and objective.name != "frozen":
        raise ConfigError(
            f"objective={objective.name}: encoder=identity has nothing to train; use objective=frozen"
        )
    if config.encoder.dimension == 0 and objective.name == "supervised":
        raise ConfigError(
            "encoder.dimension: objective=supervised puts a layer on the features; give their number"
        )
    contrastive = objective.name == "contrastive"
    if contrastive and objective.negative_source == "pooled" and objective.negatives >= tuples:
        raise ConfigError(
            f"objective.negatives: {objective.negatives} other tuples are wanted of training.batch_size={tuples}; "
            "with negative_source=pooled it must be smaller (or use negative_source=fresh)"
        )
    if objective.name == "supervised" and config.dataset.get("review") == "mean":
        raise ConfigError(
            "objective=supervised: needs dataset.review=whole; with dataset.review=mean a labelled document is a mean of "
            "features, not a point that an encoder reads"
        )
    if contrastive and not objective.collisions and objective.negative_source != "fresh":
        raise ConfigError("objective.collisions: false needs objective.negative_source=fresh")
    if config.encoder.get("embedding") == "glove" and config.encoder.glove_path is None:
        raise ConfigError(
            "encoder.glove_path: missing; encoder.embedding=glove needs the path of a GloVe text file "
            "(crl reproduce: glove=FILE)"
        )


def _check_imbalance(options: DictConfig) -> None:
    """Raise ConfigError for an option of imbalance that nothing reads."""
    kinds = {options.get("class_distribution"), options.get("class_sizes")}
    for name, default, readers in (
        ("imbalance", 1, {"longtail", "step"}),
        ("minority_share", 0.5, {"step"}),
    ):
        if options.get(name, default) != default and not kinds & readers:
            raise ConfigError(
                f"dataset.{name}: {options[name]:g} has no effect; it needs dataset.class_distribution or "
                f"dataset.class_sizes to be {' or '.join(sorted(readers))}"
            )


def quoted(value: object) -> str:
    """A value as an override may hold it, whatever characters it has."""
    text = str(value)
    return (
        text if re.fullmatch(r"[\w./-]+", text) else QuotedString(text, Quote.single).with_quotes()
    )


def _one_line(error: BaseException, overrides: Sequence[str]) -> str:
    """What Hydra or OmegaConf says, in one line that names the override and what would be right."""
    message = str(error)
    several = re.search(
        r"Ambiguous value for argument '(.+?)'|Sweep parameters '(.+?)' requires", message
    )
    if several:
        return f"{several[1] or several[2]}: several values; add -m to run each of them, or put a list into [ ]"
    missing = re.search(r"Could not find '(\w+)/(.+?)'", message)
    if missing:
        group, choice = missing.groups()
        return f"{group}: no choice {choice!r}; choose one of {', '.join(choices(group))}"
    unknown = re.search(r"Could not override '(.+?)'", message) or re.search(
        r"Key '(.+?)' (?:is not|not) in", message
    )
    if unknown:
        name = getattr(error, "full_key", None) or unknown[1]
        owners = [
            choice
            for choice, schema in SCHEMAS.get(name.partition(".")[0], {}).items()
            if _has(schema, name)
        ]
        if owners:
            return (
                f"{name}: no option of this {name.partition('.')[0]}; only of {', '.join(owners)}"
            )
        near = get_close_matches(name, _option_names(), 1, 0.5)
        way = f"did you mean {near[0]}?" if near else "see crl train --help"
        return f"{name}: no such option; {'choose its launcher with hydra/launcher=NAME' if is_launcher_option(name) else way}"
    if "is not a ListConfig" in f"{message} {error.__cause__}":
        return f"{next((o for o in overrides if o in message), 'a value')}: a list is expected, like [2] or [2,5]"
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    where = getattr(error, "override", None) or next((o for o in overrides if o in message), "")
    first = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    return first if not where or where in first else f"{where}: {first}"


def choices(group: str) -> list[str]:
    """What can stand behind ``group=`` on the command line."""
    files = {path.stem for path in (CONFIG_DIR / group).glob("*.yaml")}
    return sorted(files | (set(ENCODERS) if group == "encoder" else set()))


def _has(schema: type, name: str) -> bool:
    return name.partition(".")[2] in {spec.name for spec in fields(schema)}


def _option_names() -> list[str]:
    names = [spec.name for spec in fields(Config)]
    names += [f"training.{spec.name}" for spec in fields(TrainingConfig)]
    for group, group_choices in SCHEMAS.items():
        names += [
            f"{group}.{spec.name}" for schema in group_choices.values() for spec in fields(schema)
        ]
    return list(dict.fromkeys(names))
