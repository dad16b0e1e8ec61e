"""``crl train``: train an encoder, then evaluate it."""

from cli.console import say

USAGE = """crl train [GROUP=CHOICE ...] [OPTION=VALUE ...]

Trains an encoder without labels (objective=contrastive) or with them (objective=supervised), then scores its
features with a trained linear classifier (TR), the mean classifier (mu) and class means of 5 labelled points (mu-5),
prints a table and leaves a run folder. The same command again prints the stored result; after a crash it goes on.

Examples
  crl train                                             built-in images, small CNN
  crl train dataset=docstrings encoder=gru              built-in text, GRU
  crl train dataset=cifar100 dataset.root=/data         /data holds cifar-100-python/
  crl train dataset=documents dataset.root=articles/    your own .txt files, one class each
  crl train experiment=table1_cifar100 seed=1           the paper's setting
  crl train objective.block_size=5 objective.negatives=10 training.steps=2000

Groups (GROUP=CHOICE; a data set chooses encoder, sizes and steps that fit it)
{groups}

Options (OPTION=VALUE; shown with the schema's default, which a data set may change)
{options}
"""


def run(arguments: list[str]) -> None:
    """Compose the configuration from the overrides, run it, print its table."""
    from experiments.config import compose_config

    config = compose_config(arguments)  # before torch is imported: a typing error is answered at once

    from experiments.run import run as run_experiment
    from experiments.table import result_table, summary

    result = run_experiment(config, ["crl", "train", *arguments], say)
    print(f"\n{summary(config, result)}\n\n{result_table(config, result)}")


def help_text() -> str:
    """What can be typed behind ``crl train``, read off the configuration files and the schema."""
    from experiments.options import group_lines, option_lines

    return USAGE.format(groups="\n".join(group_lines()), options="\n".join(option_lines()))
