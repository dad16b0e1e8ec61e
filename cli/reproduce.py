"""``crl reproduce``: the paper's tables and figures, from the runs to the report."""

from pathlib import Path

from crl.cli.arguments import Option, count, parse, path
from crl.cli.console import say
from crl.cli.report import report
from crl.experiments.config.paths import expanded
from crl.experiments.errors import ConfigError

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
                    folder of the runs and of the report
  cifar100=FOLDER wiki3029=FOLDER imdb=FOLDER
                    where the data are (default: $CRL_DATA, then a download)
  glove=FILE        GloVe vectors for Wiki-3029 and IMDb; scale=paper needs them
  hydra/launcher=submitit_slurm hydra.launcher.OPTION=VALUE
                    submit the runs as jobs of a cluster (docs/scaling.md)
  OPTION=VALUE      any option of crl train with a dot in its name, for every run, such as
                    runtime.device=cpu or training.steps=100

Examples
  crl reproduce
  crl reproduce only=table1,docstrings seeds=5
  crl reproduce scale=paper cifar100=/data glove=glove.840B.300d.txt
"""

_SCALE = Option("scale", "quick", str)
_ONLY = Option("only", "", str)
_SEEDS = count("seeds", 3, least=1)
_WORKERS = count("workers", None, least=1)
_OUTPUT_DIR = path("output_dir", Path("outputs"))
_TEXTS = ("wiki3029", "imdb")


def _place(name: str) -> Option[str | None]:
    """Declare ``NAME=PATH`` for something that is there; the path stays as it was typed."""

    def read(value: str) -> str:
        if not value:
            raise ConfigError(f"{name}: a path is missing; write {name}=PATH")
        if not expanded(value).exists():
            raise ConfigError(f"{name}: {value} does not exist")
        return value

    return Option(name, None, read)


_GLOVE = _place("glove")
_ROOTS = tuple(_place(dataset) for dataset in ("cifar100", *_TEXTS))


def run(arguments: list[str]) -> None:
    """Run the experiments that the arguments select, then write the report."""
    from crl.experiments.config.messages import is_launcher_option
    from crl.experiments.config.quoting import quoted
    from crl.experiments.reproduction.reproduce import Request, finish, reproduce

    parsed = parse(
        "reproduce",
        arguments,
        (_SCALE, _ONLY, _SEEDS, _WORKERS, _OUTPUT_DIR, _GLOVE, *_ROOTS),
        folders=False,
        is_override=lambda a: (
            "=" in a and ("." in a.partition("=")[0] or is_launcher_option(a.lstrip("+")))
        ),
    )
    launcher = tuple(
        option for option in parsed.overrides if is_launcher_option(option.lstrip("+"))
    )
    if parsed[_WORKERS] and launcher:
        raise ConfigError(
            "workers: a launcher has no workers; set the launcher's own options instead"
        )
    roots = {o.name: [f"dataset.root={quoted(parsed[o])}"] for o in _ROOTS if parsed[o]}
    used_by: dict[str, tuple[str, ...]] = {name: (name,) for name in roots}
    if glove := parsed[_GLOVE]:
        vectors = ["encoder.embedding=glove", f"encoder.glove_path={quoted(glove)}"]
        roots |= {name: [*roots.get(name, []), *vectors] for name in _TEXTS}
        used_by["glove"] = _TEXTS
    request = Request(
        scale=parsed[_SCALE],
        only=tuple(filter(None, parsed[_ONLY].split(","))),
        seeds=parsed[_SEEDS],
        workers=parsed[_WORKERS],
        output_dir=parsed[_OUTPUT_DIR],
        roots=roots,
        used_by=used_by,
        common=tuple(option for option in parsed.overrides if option not in launcher),
        launcher=launcher,
    )
    failures = reproduce(request, ["crl", "reproduce", *arguments], say)
    try:
        report([request.output_dir], request.output_dir / "report")
    except ConfigError:
        if not failures:  # otherwise the user needs to see the failures, not this error
            raise
    finish(failures)
