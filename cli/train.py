"""``crl train``: train an encoder, then evaluate it."""

from cli.console import say, say_warnings

MULTIRUN = {"-m", "--multirun"}

USAGE = """crl train [-m] [GROUP=CHOICE ...] [OPTION=VALUE ...]

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
  crl train -m objective.block_size=2,5,10 'seed=range(0,3)' hydra/launcher=joblib

-m (or --multirun) runs every combination of the options that have several values, each in its own folder, and ends with
one table: mean ± standard deviation over the seeds. hydra/launcher=joblib runs them side by side on the cores of this
machine (hydra.launcher.n_jobs=4 at a time; pip install hydra-joblib-launcher), hydra/launcher=submitit_slurm as jobs of a
cluster (docs/cluster.md).

Groups (GROUP=CHOICE; a data set chooses encoder, sizes and steps that fit it)
{groups}

Options (OPTION=VALUE; shown with the schema's default, which a data set may change)
{options}
"""


def run(arguments: list[str]) -> None:
    """Compose the configuration from the overrides, run it, print its table; with -m, of every
    combination."""
    if MULTIRUN & set(arguments):
        return _sweep(arguments)
    from experiments.config.compose import compose_config

    config = compose_config(
        arguments
    )  # before torch is imported: a typing error is answered at once

    from cli.result_table import result_table, summary
    from experiments.launch.multi_device import run_on_devices

    result = run_on_devices(config, ["crl", "train", *arguments], say)
    print(f"\n{summary(config, result)}\n\n{result_table(config, result)}")
    say_warnings(result)


def _sweep(arguments: list[str]) -> None:
    """Run every combination, then print the table. Raises RunError if a run failed."""
    from experiments.errors import RunError
    from experiments.launch.sweep import plan_sweep, run_sweep, sweep_table

    sweep = plan_sweep(
        [argument for argument in arguments if argument not in MULTIRUN],
        ["crl", "train", *arguments],
    )
    failures = run_sweep(sweep, say)
    print(f"\n{sweep_table(sweep.manifest)}\n")
    print(f"accuracy, %: mean ± standard deviation over n runs; {sweep.folder}")
    for title, why in failures.items():
        say(f"failed: {title}: {why}")
    if failures:
        raise RunError(
            f"{len(failures)} of {len(sweep.runs)} runs failed; the same command starts them again"
        )


def help_text() -> str:
    """What can be typed behind ``crl train``, read off the configuration files and the schema."""
    from experiments.config.help import group_lines, option_lines

    return USAGE.format(groups="\n".join(group_lines()), options="\n".join(option_lines()))
