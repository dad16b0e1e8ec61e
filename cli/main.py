"""Dispatch of ``crl VERB ...`` and the exit codes: 0 done, 1 the run failed, 2 the input is wrong,
128 + n ended by signal n."""

import os
import shlex
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from cli.console import say

VERBS = {
    "reproduce": "the paper's tables, figures and claims: every run behind them, then the report",
    "train": "train an encoder, then evaluate it; prints a table and leaves a run folder",
    "evaluate": "score a finished run again: on other tasks, or on another copy of the data",
    "status": "how far the runs under a folder are: complete, running, failed, waiting; the time left",
    "data": "data made from what others publish: Wiki-3029's kind from any Wikipedia dump",
    "geometry": "class means of finished runs beside where theory has them, for any class proportions",
    "compare": "whether the encoders of finished runs see the same points alike: neighbours and kernels",
    "report": "a page, tables and figures of finished runs: which of the paper's claims they confirm",
}

HELP = """crl - contrastive unsupervised representation learning, after Arora et al. (ICML 2019)

usage: crl VERB [OPTION=VALUE ...]

{verbs}

Start here:
  crl train                                      images made on the spot, small CNN: under 3 minutes on a CPU
  crl train dataset=docstrings                   text: sentences of installed Python modules, bag of words
  crl train dataset=cifar100 seed=1              CIFAR-100 (downloaded on first use)
  crl train objective=supervised                 the supervised baseline, scored by the same code

crl VERB --help lists what a verb takes."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line given (default: the process's own) and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _dispatch(arguments)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stdout = None  # or the interpreter tries once more to flush
        return 0


def _dispatch(arguments: list[str]) -> int:
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if verb in ("-h", "--help", "help"):
        print(HELP.format(verbs="\n".join(f"  {name:<10}{text}" for name, text in VERBS.items())))
        return 0
    if verb == "--version":
        from importlib.metadata import version

        print(f"crl {version('crl')}")
        return 0
    if verb not in VERBS:
        print(
            f"crl: no verb {verb!r}; choose one of {', '.join(VERBS)} (crl --help)", file=sys.stderr
        )
        return 2
    command = import_module(f"cli.{verb}")
    if {"-h", "--help"} & set(rest):
        print(command.help_text())
        return 0
    return _guarded(command.run, verb, rest)


def _guarded(run: Callable[[list[str]], None], verb: str, arguments: list[str]) -> int:
    """The verb's exit code; what users can cause ends in one line on standard error."""
    from data.errors import DataError
    from experiments.errors import ConfigError, RunError
    from experiments.runtime.signals import Interrupted, ending

    try:
        with ending():
            run(arguments)
    except (ConfigError, DataError, RunError) as error:
        if (
            "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK") == "0"
        ):  # one of torchrun's processes says it
            say(f"crl: {' '.join(str(error).split())}")
        return 1 if isinstance(error, RunError) else 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = f"{error.filename}: " if error.filename else ""
        say(f"crl: {where}{error.strerror or error}")
        return 1
    except KeyboardInterrupt as error:
        signum = error.signum if isinstance(error, Interrupted) else signal.SIGINT
        command = shlex.join(["crl", verb, *arguments])
        print(
            f"crl: ended by {signal.Signals(signum).name}; the same command goes on: {command}",
            file=sys.stderr,
        )
        return 128 + signum
    return 0


if __name__ == "__main__":
    sys.exit(main())
