"""``crl train``: train an encoder, then evaluate it."""

import sys


def run(arguments: list[str]) -> None:
    """Compose the configuration from the overrides, run it, print its table."""
    from experiments.config import compose_config

    config = compose_config(arguments)  # before torch is imported: a typing error is answered at once

    from experiments.run import run as run_experiment
    from experiments.table import result_table, summary

    result = run_experiment(config, ["crl", "train", *arguments], say)
    print(f"\n{summary(config, result)}\n\n{result_table(config, result)}")


def say(line: str) -> None:
    """A line for the user that is not a result."""
    print(line, file=sys.stderr, flush=True)


def help_text() -> str:
    """What can be typed behind ``crl train``."""
    return "HELP"
