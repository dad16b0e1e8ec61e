"""``crl train``: train an encoder, then evaluate it."""

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from crl.cli.console import fitted, line_width, say
from crl.cli.flag_answers import answer, runs_of
from crl.cli.hydra_flags import read_arguments

if TYPE_CHECKING:
    from crl.experiments.launch.hydra_sweepers import Sweeper

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
With hydra/sweeper=optuna, Optuna chooses hydra.sweeper.n_trials=20 combinations, n_jobs=2 at once,
by the lowest dev loss; 'optimizer.lr=interval(1e-4,1e-1)' works then (pip install optuna cmaes).

Flags of Hydra that print something instead of training
  --cfg job|hydra|all       the configuration of a run; --package training only that part of it;
                            --resolve without references
  --info [WHAT]             how it is composed; WHAT is defaults, defaults-tree, config, searchpath,
                            plugins or all
  --shell-completion install=SHELL
                            a script for bash, zsh or fish; in bash:
                            eval "$(crl train -sc install=bash)"
Flags of Hydra for configuration files of your own
  --config-dir FOLDER       FOLDER/experiment/mine.yaml holds what differs from the defaults, below
                            a first line "# @package _global_"; choose it with experiment=mine
  --config-name NAME        FOLDER/NAME.yaml instead of train.yaml; it begins with
                            defaults: [train, _self_]

More help
  crl train dataset=imdb --help       the options of these choices, with the values they then have
  crl train --help objective          a group: each of its choices with its options
  crl train --help training           a section: training, evaluation, runtime or run
  crl train --help training.steps     an option

Groups (a data set brings an encoder, sizes and steps along; * marks what is chosen here)

{groups}

{options}
"""

_OPTIONS = "Options (OPTION=VALUE; each is shown with the value that it has here)"


def run(arguments: list[str]) -> None:
    """Run the configuration that the arguments describe and print its table; with -m, a sweep.

    A flag such as ``--cfg`` prints something instead.
    """
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
    from crl.experiments.launch.hydra_sweepers import choose_sweeper
    from crl.experiments.launch.sweep import plan_sweep, run_sweep

    sweeper = choose_sweeper(overrides)
    if sweeper.optuna is not None:
        return _search(sweeper, command)
    sweep = plan_sweep(sweeper.arguments, command)
    failures = run_sweep(sweep, say)
    print(f"\n{sweep_table(sweep.manifest)}\n")
    print(f"accuracy, %: mean ± standard deviation over n runs; {sweep.folder}")
    for title, reason in failures.items():
        say(f"failed: {title}: {reason}")
    if failures:
        raise RunError(
            f"{len(failures)} of {len(sweep.runs)} runs failed; the same command starts them again"
        )


def _search(sweeper: "Sweeper", command: list[str]) -> None:
    """Run the trials that Optuna chooses; print their table and the best one.

    Raises RunError at the end if a trial failed.
    """
    from crl.cli.tables import sweep_table
    from crl.experiments.errors import RunError
    from crl.experiments.launch.search import plan_search
    from crl.experiments.launch.trials import run_search

    search = plan_search(sweeper, command)
    found = run_search(search, say)
    metric, failed = search.options.metric, [trial for trial in found.trials if trial.error]
    if found.manifest.studies:
        print(f"\n{sweep_table(found.manifest, metric)}\n")
        print(f"accuracy, %: mean ± standard deviation over n runs; {search.folder}")
    if found.best is not None and found.best.combo is not None:
        train = shlex.join(["crl", "train", *found.best.combo.run.overrides])
        print(f"best of {len(found.trials)}: {found.best.title}: {metric} {found.best.value:.6g}")
        print(f"its run: {train}")
    for trial in failed:
        say(f"failed: {trial.title}: {trial.error}")
    if failed:
        raise RunError(
            f"{len(failed)} of {len(found.trials)} trials failed; "
            "the same command starts them again"
        )


def show_help(arguments: list[str]) -> None:
    """Print the help that ``--help`` asks for beside other arguments.

    These are overrides, whose configuration is shown, and names of groups, sections or options,
    which are shown alone. Raises ConfigError for a wrong one.
    """
    from crl.experiments.config.compose import compose_for_help
    from crl.experiments.config.help import group_lines, option_lines, topic_lines
    from crl.experiments.config.own_files import OwnFiles, is_place

    given = read_arguments(arguments)
    topics = [word for word in given.overrides if word[:1].isalpha() and "=" not in word]
    given = replace(given, overrides=[word for word in given.overrides if word not in topics])
    overrides = runs_of(given)[0]
    own = OwnFiles.of(overrides)
    config, width = compose_for_help(overrides), line_width()
    if topics:
        blocks = ["\n".join(topic_lines(topic, config, width, own)) for topic in topics]
        print("\n\n".join(blocks))
        return
    options = "\n".join([_OPTIONS, "", *option_lines(config, width)])
    if all(map(is_place, overrides)):
        groups = "\n".join(group_lines(config, width, own))
        print(fitted(USAGE, width).format(groups=groups, options=options))
    else:
        print(f"{options}\n\nOther choices: crl train --help GROUP. Everything: crl train --help")
