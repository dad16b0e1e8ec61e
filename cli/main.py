"""The ``crl`` command: picks the verb and turns errors into one line and an exit code.

Exit codes: 0 success, 1 a run failed, 2 wrong input, 128 + n ended by signal n.
"""

import os
import shlex
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from crl.cli.console import fitted, line_width, print_in_any_encoding, say
from crl.experiments.runtime.waiting import spin_briefly

VERBS = {
    "reproduce": "run every experiment behind the paper's tables and figures; write the report",
    "train": "train an encoder, then evaluate it; prints a table and leaves a run folder",
    "evaluate": "score a finished run again, or an encoder that was not trained here",
    "status": "show which runs are complete, running, failed or waiting, and the time left",
    "data": "build a data set like Wiki-3029 from any Wikipedia dump",
    "geometry": "compare the class means of finished runs with the ones that theory predicts",
    "compare": "measure how alike the representations of finished runs are",
    "report": "write a page, tables and figures: which of the paper's claims finished runs confirm",
}

HELP = """crl - contrastive unsupervised representation learning, after Arora et al. (ICML 2019)

usage: crl VERB [OPTION=VALUE ...]

{verbs}

Start here:
  crl train                           built-in images, small CNN: under 3 minutes on a CPU
  crl train dataset=docstrings        text: docstrings of installed modules, bag of words
  crl train dataset=cifar100 seed=1   CIFAR-100 (downloaded on first use)
  crl train objective=supervised      the supervised baseline, scored by the same code

crl VERB --help explains the options of a verb."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command line (default: the one of this process) and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    print_in_any_encoding()
    spin_briefly()
    try:
        return _dispatch(arguments)
    except BrokenPipeError:  # the reader of our output, such as head, has closed it
        sys.stdout = None  # otherwise the interpreter flushes it at exit and fails again
        return 0


def _dispatch(arguments: list[str]) -> int:
    verb, *rest = arguments or ["--help"]
    if verb in ("-h", "--help", "help"):
        verbs = "\n".join(f"  {name:<11}{text}" for name, text in VERBS.items())
        print(fitted(HELP.format(verbs=verbs), line_width()))
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
    command = import_module(f"crl.cli.{verb}")
    if {"-h", "--help"} & set(rest):
        if verb == "train":  # its help reads the other arguments
            return _exit_code(command.show_help, verb, rest)
        print(fitted(command.USAGE, line_width()))
        return 0
    return _exit_code(command.run, verb, rest)


def _exit_code(run: Callable[[list[str]], None], verb: str, arguments: list[str]) -> int:
    """Run a verb and return its exit code; print one line for an error that users can cause."""
    from crl.data.errors import DataError
    from crl.experiments.errors import ConfigError, RunError, is_out_of_memory, one_line
    from crl.experiments.runtime.signals import Interrupted, ending

    try:
        with ending():
            run(arguments)
    except (ConfigError, DataError, RunError) as error:
        if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK") == "0":
            say(
                f"crl: {' '.join(map(str.strip, str(error).splitlines()))}"
            )  # one of torchrun's processes prints it
        return 1 if isinstance(error, RunError) else 2
    except BrokenPipeError:
        raise  # see main()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"crl: {where}{error.strerror or error}")
        return 1
    except (MemoryError, RuntimeError, ImportError) as error:  # outside of any named part of a run
        if not is_out_of_memory(error):
            raise
        say(f"crl: out of memory ({one_line(error)}); give it more memory, or less to do")
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
