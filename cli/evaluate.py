"""``crl evaluate``: score a finished run again."""

from cli.console import say
from experiments.errors import ConfigError

USAGE = """crl evaluate RUN_DIR [OPTION=VALUE ...]

Scores the encoder of a finished run again, prints the table and keeps it under RUN_DIR/evaluations/.
The run itself is not changed. What can be overridden: evaluation.*, dataset.root, runtime.*

Examples
  crl evaluate outputs/runs/glyphs-.../seed0 'evaluation.ks=[2,3,10]' 'evaluation.tops=[1,10]'
  crl evaluate outputs/runs/cifar100-.../seed0 dataset.root=/another/copy evaluation.shots=1
"""


def run(arguments: list[str]) -> None:
    """Evaluate the run in the first argument under the overrides in the others."""
    if not arguments or "=" in arguments[0]:
        raise ConfigError("crl evaluate needs a run folder first: crl evaluate RUN_DIR [OPTION=VALUE ...]")

    from experiments.finished import evaluate_again
    from experiments.table import result_table, summary

    config, result = evaluate_again(arguments[0], arguments[1:], ["crl", "evaluate", *arguments], say)
    print(f"\n{summary(config, result)}\n\n{result_table(config, result)}")


def help_text() -> str:
    """What can be typed behind ``crl evaluate``."""
    return USAGE
