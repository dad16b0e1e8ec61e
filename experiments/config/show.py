"""What ``crl train --cfg``, ``--info`` and ``--hydra-help`` print: Hydra's own output.

Hydra has no public functions for it. So this file alone uses the object behind ``hydra.main``.
"""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from crl.experiments.config.compose import composing, hydra_started
from crl.experiments.config.messages import check_importing
from crl.experiments.errors import ConfigError


def config_text(
    overrides: Sequence[str],
    kind: str,
    package: str | None = None,
    resolve: bool = False,
    of_sweep: Sequence[str] = (),
) -> str:
    """Return the configuration (``kind``: job, hydra or all) as Hydra prints it.

    It is that of a run; Hydra's part also holds ``of_sweep``. Raises ConfigError.
    """
    for override in of_sweep:
        check_importing(override)
    with composing(overrides) as start:
        start.composed()
        return _printed(
            lambda hydra: hydra.show_cfg(
                config_name=start.own.primary,
                overrides=[*start.overrides, *of_sweep],
                cfg_type=kind,
                package=package,
                resolve=resolve,
            ),
            f"--package {package}: there is no such group or option, or it is null",
        )


def info_text(overrides: Sequence[str], kind: str) -> str:
    """Return what Hydra says about the composition (``kind``: such as defaults-tree).

    Raises ConfigError.
    """
    with composing(overrides) as start:
        start.composed()
        return _printed(
            lambda hydra: hydra.show_info(
                kind,
                config_name=start.own.primary,
                overrides=start.overrides,
                run_mode=RunMode.RUN,
            ),
            f"--info {kind}: Hydra cannot tell it",
        )


def hydra_help_text(parser: ArgumentParser) -> str:
    """Return Hydra's help on itself, with the flags of a parser."""
    quiet = Namespace(overrides=["hydra/hydra_logging=none"])
    with hydra_started(quiet.overrides):
        return _printed(
            lambda hydra: hydra.hydra_help(config_name=None, args_parser=parser, args=quiet),
            "--hydra-help: Hydra cannot tell it",
        )


def _printed(show: Callable[[Any], None], failure: str) -> str:
    """Return what Hydra prints. Raises ConfigError with ``failure`` where it would exit."""
    printed = StringIO()
    try:
        with _own_logging(), redirect_stdout(printed), redirect_stderr(StringIO()):
            show(GlobalHydra.instance().hydra)
    except SystemExit as error:
        raise ConfigError(failure) from error
    finally:
        HydraConfig.instance().cfg = None
    return printed.getvalue()


@contextmanager
def _own_logging() -> Iterator[None]:
    """Take back what Hydra does to the root logger, through which it prints."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
