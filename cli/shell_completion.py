"""Completion of ``crl`` by the tab key in bash, zsh and fish.

Hydra's own scripts call ``crl --shell-completion``, where a verb has to stand, and take the equals
sign from the word breaks of the user's whole shell. These call ``crl train --shell-completion``.
"""

import os
import shlex
from collections.abc import Sequence

from crl.cli.hydra_flags import flag_parser, read_arguments
from crl.experiments.errors import ConfigError

# bash takes what stands behind a word break, such as =, for a word of its own.
_BASH = r"""_crl_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" word start found
    word="${line##*[[:space:]]}"
    start="${word%"${word##*["$COMP_WORDBREAKS"]}"}"
    COMPREPLY=()
    while IFS= read -r found; do
        [[ $found == *[=./] ]] || found+=" "
        COMPREPLY+=("${found#"$start"}")
    done < <(COMP_LINE="$line" "${COMP_WORDS[0]}" train --shell-completion query=bash 2>/dev/null)
}
complete -o nospace -o default -F _crl_complete crl"""

_ZSH = r"""_crl_complete() {
    local -a found
    local -x COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX"
    found=("${(@f)$("${words[1]}" train --shell-completion query=zsh 2>/dev/null)}")
    found=(${found:#})
    if (( $#found )); then
        compadd -S '' -- ${(M)found:#*[=.]}
        compadd -- ${found:#*[=.]}
    else
        compset -P '*='
        _files
    fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _crl_complete crl"""

_FISH = r"""function _crl_complete
    set -lx COMP_LINE (commandline -cp)
    set -l found (crl train --shell-completion query=fish 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c crl -f -a '(_crl_complete)'"""

_INSTALL = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_UNINSTALL = {
    "bash": "complete -r crl; unset -f _crl_complete",
    "zsh": "compdef -d crl; unfunction _crl_complete",
    "fish": "complete -e -c crl; functions -e _crl_complete",
}


def complete(words: Sequence[str]) -> None:
    """Print what ``--shell-completion`` and these words ask for. Raises ConfigError."""
    task, _, shell = words[0].partition("=") if len(words) == 1 else ("", "", "")
    if task not in ("install", "uninstall", "query") or shell not in _INSTALL:
        raise ConfigError(
            "--shell-completion: write install=SHELL or uninstall=SHELL, with one of "
            f"{', '.join(_INSTALL)}"
        )
    if task == "query":
        if "COMP_LINE" not in os.environ:
            raise ConfigError(
                "--shell-completion query: a shell asks this, with the command line in COMP_LINE; "
                f"write install={shell}"
            )
        for text in completions(os.environ["COMP_LINE"]):
            print(text)
    else:
        print((_INSTALL if task == "install" else _UNINSTALL)[shell])


def completions(line: str) -> list[str]:
    """Return what the last word of a command line that begins with ``crl`` can become.

    It is empty where a path can stand.
    """
    try:
        words = shlex.split(line)
    except ValueError:  # an open quote
        return []
    if not line or line[-1].isspace():
        words.append("")
    *before, word = words[1:] or [""]
    if not before:
        from crl.cli.main import VERBS

        return [verb for verb in VERBS if verb.startswith(word)]
    return _of_train(word, before[1:]) if before[0] == "train" else []


def _of_train(word: str, before: list[str]) -> list[str]:
    flags = {name: flag for flag in flag_parser().flags for name in flag.option_strings}
    last = flags.get(before[-1]) if before else None
    if last is not None and (known := getattr(last, "known", None)) is not None:
        return [name for name in known if name.startswith(word)]  # none: a folder, or a name
    if word.startswith("-"):
        return [name for name in flags if name.startswith(word) and name.startswith("--")]
    from crl.experiments.config.candidates import candidates

    try:
        arguments = read_arguments(before)
    except ConfigError:
        return []
    return candidates(word, arguments.overrides, arguments.multirun)
