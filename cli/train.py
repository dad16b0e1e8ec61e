"""``crl train``: train an encoder, then evaluate it."""

from crl.cli.console import say

USAGE = """crl train [-m] [GROUP=CHOICE ...] [OPTION=VALUE ...]

Trains an encoder without labels (objective=contrastive) or with labels (objective=supervised), then
scores its features with three classifiers: a trained linear classifier (TR), the mean classifier
(mu), and class means of 5 labelled points (mu-5). Prints a table and leaves a run folder. The same
command again prints the stored result; after a crash it continues the run. With other evaluation.*
options it scores the trained encoder again.

Examples
  crl train                                             built-in images, small CNN
  crl train dataset=docstrings encoder=gru              built-in text, GRU
  crl train dataset=cifar100 dataset.root=/data         /data holds cifar-100-python/
  crl train dataset=documents dataset.root=articles/    your own .txt files, one class each
  crl train dataset=labelled_sentences dataset.root=x/  sentences with labels: .txt, .tsv or .csv
  crl train experiment=table1_cifar100 seed=1           the paper's setting
  crl train objective.block_size=5 objective.negatives=10 training.steps=2000
  crl train -m objective.block_size=2,5,10 'seed=range(0,3)' hydra/launcher=joblib

-m (or --multirun) runs all combinations of the options that have several values, each in its own
folder, and prints one table at the end: mean ± standard deviation over the seeds. By default one
run follows the other. Two launchers start several at once:
  hydra/launcher=joblib           on the cores of this machine (hydra.launcher.n_jobs=4 limits the
                                  number; needs pip install hydra-joblib-launcher)
  hydra/launcher=submitit_slurm   as jobs of a cluster (docs/scaling.md)

Flags of Hydra (they print something instead of training)
  --cfg job|hydra|all       the configuration of a run; --package training only that part of it;
                            --resolve without references
  --info [defaults|defaults-tree|config|searchpath|plugins|all]   how it is composed
  --shell-completion install=bash|zsh|fish   a script; in bash: eval "$(crl train -sc install=bash)"
and that say where configuration files of your own are:
  --config-dir FOLDER       FOLDER/experiment/mine.yaml holds what differs from the defaults, below
                            a first line "# @package _global_"; choose it with experiment=mine
  --config-name NAME        FOLDER/NAME.yaml instead of train.yaml; it begins with
                            defaults: [train, _self_]

Groups (GROUP=CHOICE; a data set brings its own encoder, sizes and steps)
{groups}

Options (OPTION=VALUE; shown with the schema's default, which a data set may change)
{options}
"""


def run(arguments: list[str]) -> None:
    """Run the configuration that the arguments describe and print its table; with -m, a sweep.

    A flag such as ``--cfg`` prints something instead.
    """
    from crl.cli.flag_answers import answer
    from crl.cli.hydra_flags import read_arguments

    given, command = read_arguments(arguments), ["crl", "train", *arguments]
    if answer(given):
        return
    if given.multirun:
        return _sweep(given.overrides, command)
    from crl.experiments.config.compose import compose_config

    config = compose_config(given.overrides)  # before the slow import of torch: errors come at once

    from crl.cli.tables import show
    from crl.experiments.launch.multi_device import run_on_devices

    result = run_on_devices(config, command, say)
    show(config, result)


def _sweep(overrides: list[str], command: list[str]) -> None:
    """Run all combinations and print their table. Raises RunError at the end if a run failed."""
    from crl.cli.tables import sweep_table
    from crl.experiments.errors import RunError
    from crl.experiments.launch.sweep import plan_sweep, run_sweep

    sweep = plan_sweep(overrides, command)
    failures = run_sweep(sweep, say)
    print(f"\n{sweep_table(sweep.manifest)}\n")
    print(f"accuracy, %: mean ± standard deviation over n runs; {sweep.folder}")
    for title, reason in failures.items():
        say(f"failed: {title}: {reason}")
    if failures:
        raise RunError(
            f"{len(failures)} of {len(sweep.runs)} runs failed; the same command starts them again"
        )


def show_help(arguments: list[str]) -> None:
    """Print the choices and options that exist, with those of own files. Raises ConfigError."""
    from crl.cli.hydra_flags import read_arguments
    from crl.experiments.config.help import group_lines, option_lines
    from crl.experiments.config.own_files import OwnFiles

    groups = group_lines(OwnFiles.of(read_arguments(arguments).overrides))
    print(USAGE.format(groups="\n".join(groups), options="\n".join(option_lines())))
