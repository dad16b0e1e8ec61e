"""``crl reproduce``: the paper's tables and figures, from the runs to the report."""

from pathlib import Path

from cli.arguments import count, names, parse, path, text
from cli.console import say
from cli.report import show
from experiments.config.paths import expanded
from experiments.errors import ConfigError

USAGE = """crl reproduce [scale=SCALE] [only=STUDY,...] [seeds=N] [OPTION=VALUE ...]

Runs every experiment behind the paper's tables and figures, then writes the report. Several runs
are done side by side, and a run that several studies need is done once. The same command again
continues where it stopped. If a run fails, the others are still done, and the failure is listed at
the end.

  scale=quick       built-in images and text, no download, minutes on a CPU (default)
  scale=cpu         CIFAR-100, Wiki-3029 and IMDb with small encoders, hours on a CPU
  scale=paper       CIFAR-100 with VGG-16, Wiki-3029 and IMDb with the GRU (use a GPU)
  only=...          only these studies or data sets: table1, table2, fig2a, fig2b, fig2c, labels,
                    collisions, budget; glyphs, docstrings (scale=quick); cifar100, wiki3029, imdb
                    (scale=cpu and scale=paper)
  seeds=3           seeds 0, 1, 2 of every configuration
  workers=N         runs side by side (default: one per core; one if there is a CUDA device)
  output_dir=outputs
  cifar100=FOLDER wiki3029=FOLDER imdb=FOLDER
                    where the data are (default: $CRL_DATA, then a download)
  glove=FILE        GloVe vectors for the GRU at scale=paper
  hydra/launcher=submitit_slurm hydra.launcher.OPTION=VALUE
                    submit the runs as jobs of a cluster (docs/scaling.md)
  OPTION=VALUE      any option of crl train with a dot in its name, for every run, such as
                    runtime.device=cpu or training.steps=100

Examples
  crl reproduce
  crl reproduce only=table1,docstrings seeds=5
  crl reproduce scale=paper cifar100=/data glove=glove.840B.300d.txt
"""

_SCALE = text("scale", "quick")
_ONLY = names("only")
_SEEDS = count("seeds", 3, least=1)
_WORKERS = count("workers", None, least=1)
_OUTPUT_DIR = path("output_dir", Path("outputs"))
_GLOVE = text("glove", None)
_ROOTS = tuple(text(dataset, None) for dataset in ("cifar100", "wiki3029", "imdb"))


def run(arguments: list[str]) -> None:
    """Run the experiments that the arguments select, then write the report."""
    from experiments.config.compose import quoted
    from experiments.config.messages import is_launcher_option
    from experiments.report.write import write_report
    from experiments.reproduction.reproduce import Request, finish, reproduce

    def is_launcher(argument: str) -> bool:
        return is_launcher_option(argument.lstrip("+"))

    parsed = parse(
        "reproduce",
        arguments,
        (_SCALE, _ONLY, _SEEDS, _WORKERS, _OUTPUT_DIR, _GLOVE, *_ROOTS),
        folders=False,
        is_override=lambda a: "=" in a and (is_launcher(a) or "." in a.partition("=")[0]),
    )
    launcher = tuple(filter(is_launcher, parsed.overrides))
    if parsed[_WORKERS] and launcher:
        raise ConfigError(
            "workers: a launcher has no workers; set the launcher's own options instead"
        )
    given = {option.name: value for option in (*_ROOTS, _GLOVE) if (value := parsed[option])}
    for name, value in given.items():
        if not expanded(value).exists():
            raise ConfigError(f"{name}: {value} does not exist")
    glove = given.pop(_GLOVE.name, None)
    roots = {name: [f"dataset.root={quoted(folder)}"] for name, folder in given.items()}
    if glove:
        vectors = ["encoder.embedding=glove", f"encoder.glove_path={quoted(glove)}"]
        roots |= {name: [*roots.get(name, []), *vectors] for name in ("wiki3029", "imdb")}
    request = Request(
        scale=parsed[_SCALE],
        only=parsed[_ONLY],
        seeds=parsed[_SEEDS],
        workers=parsed[_WORKERS],
        output_dir=parsed[_OUTPUT_DIR],
        roots=roots,
        common=tuple(argument for argument in parsed.overrides if argument not in launcher),
        launcher=launcher,
    )
    failures = reproduce(request, ["crl", "reproduce", *arguments], say)
    try:
        show(write_report([request.output_dir], request.output_dir / "report"))
    except ConfigError:
        if not failures:  # otherwise the failures are what the user needs to see
            raise
    finish(failures)
