"""``crl reproduce``: the paper's tables and figures, from nothing to the report."""

from difflib import get_close_matches

from cli.console import say
from cli.report import show
from experiments.errors import ConfigError

USAGE = """crl reproduce [scale=SCALE] [only=STUDY,...] [seeds=N] [OPTION=VALUE ...]

Plans every run behind the paper's tables and figures, runs what is not complete yet, several side by side, and writes
the report. Runs that studies share are done once. Started again, it goes on where it was; a run that fails is named at
the end, and the others are done all the same.

  scale=quick       built-in images and text, no download, minutes on a CPU (default)
  scale=cpu         CIFAR-100, Wiki-3029 and IMDb with small encoders, hours on a CPU
  scale=paper       CIFAR-100 with VGG-16, Wiki-3029 and IMDb with the GRU (a GPU is advised)
  only=...          these studies or data sets: table1, table2, fig2a, fig2b, fig2c, labels, collisions, budget,
                    glyphs, docstrings (scale=quick), cifar100, wiki3029, imdb (the others)
  seeds=3           seeds 0, 1, 2 of every configuration
  workers=N         runs side by side (default: one a core; one where there is a CUDA device)
  output_dir=outputs
  cifar100=FOLDER wiki3029=FOLDER imdb=FOLDER     where data lie (default: $CRL_DATA, then a download)
  glove=FILE        GloVe vectors for the GRU at scale=paper
  hydra/launcher=submitit_slurm hydra.launcher.OPTION=VALUE     the runs as jobs of a cluster (docs/scaling.md)
  OPTION=VALUE      any option of crl train, for every run, like runtime.device=cpu or training.steps=100

Examples
  crl reproduce
  crl reproduce only=table1,docstrings seeds=5
  crl reproduce scale=paper cifar100=/data glove=glove.840B.300d.txt
"""

_ROOTS = ("cifar100", "wiki3029", "imdb")
_OPTIONS = ("scale", "only", "seeds", "workers", "output_dir", "glove", *_ROOTS)


def run(arguments: list[str]) -> None:
    """Reproduce what the arguments ask for, then write the report."""
    from experiments.config.compose import quoted
    from experiments.config.paths import expanded
    from experiments.report.write import write_report
    from experiments.reproduction.reproduce import Request, finish, reproduce

    given, launcher, common = _parsed(arguments)
    if launcher and "workers" in given:
        raise ConfigError(
            "workers: runs that go to a launcher have none; set options of the launcher instead"
        )
    for name in (*_ROOTS, "glove"):
        if name in given and not expanded(given[name]).exists():
            raise ConfigError(f"{name}: {given[name]} does not exist")
    roots = {name: [f"dataset.root={quoted(given[name])}"] for name in _ROOTS if name in given}
    if "glove" in given:
        vectors = ["encoder.embedding=glove", f"encoder.glove_path={quoted(given['glove'])}"]
        roots |= {name: [*roots.get(name, []), *vectors] for name in ("wiki3029", "imdb")}
    request = Request(
        scale=given.get("scale", "quick"),
        only=tuple(name for name in given.get("only", "").split(",") if name),
        seeds=_count(given, "seeds") or 3,
        workers=_count(given, "workers"),
        output_dir=expanded(given.get("output_dir", "outputs")),
        roots=roots,
        common=tuple(common),
        launcher=tuple(launcher),
    )
    failures = reproduce(request, ["crl", "reproduce", *arguments], say)
    try:
        show(write_report([request.output_dir], request.output_dir / "report"))
    except ConfigError:
        if not failures:  # else what failed is what the user must hear
            raise
    finish(failures)


def help_text() -> str:
    """What can be typed behind ``crl reproduce``."""
    return USAGE


def _parsed(arguments: list[str]) -> tuple[dict[str, str], list[str], list[str]]:
    """(options of this verb, of Hydra's launchers, of crl train)."""
    from experiments.config.messages import is_launcher_option

    given: dict[str, str] = {}
    launcher: list[str] = []
    common: list[str] = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name in _OPTIONS:
            given[name] = value
        elif equals and is_launcher_option(name.lstrip("+")):
            launcher.append(argument)
        elif equals and "." in name:
            common.append(argument)
        else:
            near = get_close_matches(name, _OPTIONS, 1, 0.5)
            hint = f"did you mean {near[0]}=?" if near else "see crl reproduce --help"
            raise ConfigError(f"{argument}: no such option of crl reproduce; {hint}")
    return given, launcher, common


def _count(given: dict[str, str], name: str) -> int | None:
    if name not in given:
        return None
    if not given[name].isdecimal() or int(given[name]) < 1:
        raise ConfigError(f"{name}: {given[name]!r} is not a number of at least 1")
    return int(given[name])
