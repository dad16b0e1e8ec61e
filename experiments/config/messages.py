"""Messages on wrong overrides: one line that also says what would be right."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from antlr4.error.Errors import RecognitionException
from hydra.core.override_parser.types import ChoiceSweep, Override, Sweep
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    GrammarParseError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from crl.experiments.config.own_files import CONFIG_DIR, INTERNAL, NO_FILES, OwnFiles, is_place
from crl.experiments.config.quoting import PATHS, as_typed
from crl.experiments.config.schema import GROUPS, options_by_name
from crl.experiments.config.sweepers import is_sweeper_option, option_names
from crl.experiments.errors import ConfigError

# As a key, which Hydra would import; not inside a value, like that of a path.
_TARGET = re.compile(r"""(^[+~]*|[.{,@'"\s])_target_['"]?\s*([=:@]|$)""")
# What Hydra says first of a file that does not fit.
_IN_FILE = re.compile(r"In '([^']+)': ")


def choices(group: str, own: OwnFiles = NO_FILES) -> list[str]:
    """The names that can stand behind ``group=`` on the command line, with those of own files."""
    if group in GROUPS:
        return sorted(GROUPS[group])
    ours = {path.stem for path in (CONFIG_DIR / group).glob("*.yaml")}
    return sorted(ours.union(own.names(group)))


def is_launcher_option(name: str) -> bool:
    """Return whether the option chooses or sets up the launcher of a sweep."""
    return name.startswith(("hydra/launcher", "hydra.launcher."))


def is_of_sweep(override: str) -> bool:
    """Return whether the override sets up a sweep, not its runs."""
    name = override.lstrip("+~")
    return is_launcher_option(name) or is_sweeper_option(name)


def check_importing(override: str) -> None:
    """Raise ConfigError for an override that Hydra accepts but users may not give."""
    if _TARGET.search(override):
        raise ConfigError(f"{override}: no such option; nothing is imported by name (_target_)")


def check_single(override: str) -> None:
    """Raise ConfigError for an override that no single run takes."""
    name = override.lstrip("+~").partition("=")[0]
    if is_place(override):
        return
    if name in INTERNAL:
        raise ConfigError(
            f"{override}: {name} follows from the data set, the encoder and the optimiser; "
            "choose those"
        )
    if name in (*GROUPS, "experiment") and override.startswith("+"):
        raise ConfigError(f"{override}: write {override.lstrip('+')}; no + is needed")
    if name in GROUPS and (override.startswith("~") or override.endswith("=null")):
        raise ConfigError(f"{override}: write {name}=NAME, one of {', '.join(choices(name))}")
    if name == "experiment" and override.endswith("=null"):
        raise ConfigError(f"{override}: leave it out for no experiment")
    if is_launcher_option(name):
        raise ConfigError(f"{override}: a launcher starts the runs of a sweep; add -m")
    if is_sweeper_option(name):
        raise ConfigError(f"{override}: a sweeper chooses the runs of a sweep; add -m")
    is_written = name.strip() and ("=" in override or override.startswith("~"))
    if override.startswith("-") or name.startswith(("hydra.", "hydra/")) or not is_written:
        raise ConfigError(
            f"{override or repr(override)}: no such option; options are written OPTION=VALUE "
            "(crl train --help)"
        )


def check_values(override: Override) -> None:
    """Raise ConfigError for values of a sweep that are sweeps themselves: ``1,range(3,5)``."""
    values = override.value()
    if isinstance(values, ChoiceSweep) and any(isinstance(value, Sweep) for value in values.list):
        raise ConfigError(
            f"{override.input_line}: a range or an interval cannot stand in a list of values"
        )


def check_override(override: Override, own: OwnFiles) -> None:
    """Raise ConfigError for an override of no option, or with a value of another kind."""
    if is_place(str(override.input_line)):
        return
    name, value = override.key_or_group, override.value()
    if override.is_sweep_override():
        one = "put a list into [ ]"
        if name in PATHS:
            one = f"write one path as {as_typed(name, str(override.input_line).partition('=')[2])}"
        raise ConfigError(f"{name}: several values; add -m to run each of them, or {one}")
    if override.is_delete():
        return
    if name in (*GROUPS, "experiment"):
        for choice in value if isinstance(value, list) and name == "experiment" else [value]:
            own.check_choice(name, str(choice))
            known = choices(name, own)
            if str(choice) in known and not isinstance(choice, str):  # a file such as 2024.yaml
                raise ConfigError(f"{override.input_line}: write {as_typed(name, str(choice))}")
            if choice not in (*known, None):
                raise ConfigError(
                    f"{name}: no choice {str(choice)!r}; choose one of {', '.join(known)}"
                )
        return
    options = options_by_name()
    if name not in options:
        raise ConfigError(_unknown(name))
    is_reference = isinstance(value, str) and "${" in value
    if "list[" in str(options[name][0].type) and not isinstance(value, list) and not is_reference:
        raise ConfigError(f"{override.input_line}: a list is expected, like [2] or [2,5]")


def explain(error: BaseException, overrides: Sequence[str], own: OwnFiles = NO_FILES) -> str:
    """Say in one line what Hydra or OmegaConf raised, and name the override or the file."""
    if in_file := _IN_FILE.match(str(error)):
        return _of_file(in_file[1], error, own)
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and cause.full_key:
        return _unknown(str(cause.full_key))
    reference = next((o for o in overrides if "${" in o), "")
    if reference and isinstance(cause, InterpolationResolutionError | GrammarParseError):
        is_path = reference.lstrip("+").partition("=")[0] in PATHS
        advice = "; no path may hold ${, so rename such a file or folder" if is_path else ""
        why = str(cause).splitlines()[0]
        return f"{reference}: ${{...}} stands for the value of another option ({why}){advice}"
    if isinstance(error, OverrideParseException | RecognitionException):
        return _unreadable(error, overrides)
    message = f"{error} {error.__cause__}"
    where = getattr(error, "override", None) or next((o for o in overrides if o in message), "")
    where = where or getattr(cause, "full_key", None) or ""
    if "is not a ListConfig" in message:
        return f"{where or 'a value'}: a list is expected, like [2] or [2,5]"
    first = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    return first if not where or where in first else f"{where}: {first}"


def _of_file(name: str, error: BaseException, own: OwnFiles) -> str:
    """Return the message on what Hydra says about a configuration file."""
    why = " ".join(_IN_FILE.sub("", str(error)).split())
    if isinstance(error, MissingConfigException):
        group, _, missing = str(error.missing_cfg_file).rpartition("/")
        if error.options:
            return f"{group}: no choice {missing!r}; choose one of {', '.join(error.options)}"
        why = f"there is no {error.missing_cfg_file}.yaml"
    elif isinstance(error.__context__, OmegaConfBaseException):
        why = explain(error.__context__, ())
    return f"{own.file(name) or f'{name}.yaml'}: {why}"


def _unreadable(error: BaseException, overrides: Sequence[str]) -> str:
    """Return the message on an override that Hydra's grammar has no reading of."""
    override = getattr(error, "override", None) or next(
        (o for o in overrides if o in str(error)), ""
    )
    name, _, value = override.partition("=")
    why = str(error).splitlines()[0].removeprefix("LexerNoViableAltException: ")
    message = f"{override}: {'not readable' if override in why else why}" if override else why
    spec = options_by_name().get(name.lstrip("+"))
    if spec is None or "str" not in str(spec[0].type) or value[:1] in ("'", '"'):
        return message
    return f"{message}; with characters like these a text needs quotes: {as_typed(name, value)}"


def _unknown(name: str) -> str:
    """Return the message on an option that the chosen groups do not have."""
    options = options_by_name()
    owners = options[name][1] if name in options else []
    if owners:
        return f"{name}: no option of this {name.partition('.')[0]}; only of {', '.join(owners)}"
    if is_launcher_option(name):
        return f"{name}: no such option; choose its launcher with hydra/launcher=NAME"
    if name.startswith("hydra.sweeper.sampler."):
        return f"{name}: no such option; choose its sampler with hydra/sweeper/sampler=NAME"
    if name.removeprefix("hydra.sweeper.") in option_names():
        return f"{name}: no option of this sweeper; choose its sweeper with hydra/sweeper=optuna"
    if is_sweeper_option(name):
        return f"{name}: no such option of the sweeper; there are {', '.join(option_names())}"
    near = get_close_matches(name, list(options), 1, 0.5)
    return f"{name}: no such option; " + (
        f"did you mean {near[0]}?" if near else "see crl train --help"
    )
