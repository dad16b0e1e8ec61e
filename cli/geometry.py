"""``crl geometry``: the class means of finished runs beside where theory has them."""

from pathlib import Path

from cli.console import say
from experiments.errors import ConfigError

USAGE = """crl geometry RUN_DIR [RUN_DIR ...] [out=PATH]

With features of length 1, theory says where the means of the classes lie at the minimum of the unsupervised loss: in a
tight frame (all cosines -1/(N-1)) where classes are equally likely, at angles that the class proportions fix where they
are not, and all minority classes in one vector from some imbalance on, which depends on the loss and on k (Nguyen et al.,
arXiv 2605.11291). This verb computes that optimum with a certificate, measures the class means of the test points of
finished runs, and prints one beside the other where the run was trained with objective.normalize=true; of other runs,
frozen encoders among them, it says how their class means lie. A folder that holds several runs counts for all of them.

  out=PATH   where geometry.json and the figures go (default: geometry/ in the first folder): heat maps of the Gram
             matrices; the minority's cosine against the imbalance where runs differ in it

  runtime.*, dataset.root=   as in crl evaluate

Columns: NC1, the variance inside classes over that between their means (0: collapsed); the relative distances of the
Gram matrix of class means to the tight frame and to the prediction; the mean cosine between minority classes, reached and
predicted; the loss of classes collapsed to these means, and the least there is; the certificate: by how much the
predicted matrix can at most miss the minimum.

Examples
  crl train -m experiment=minority_collapse dataset.imbalance=1,3,10,30,100 objective.negatives=1,4,16
  crl geometry outputs/runs
  crl train -m experiment=minority_collapse_glyphs dataset.imbalance=1,10,100
"""


def run(arguments: list[str]) -> None:
    """The geometry of the runs in the folders among the arguments."""
    out = [argument for argument in arguments if argument.startswith("out=")]
    overrides = [
        argument for argument in arguments if argument.startswith(("runtime.", "dataset.root="))
    ]
    places = [argument for argument in arguments if argument not in (*out, *overrides)]
    for argument in places:
        if argument.startswith("-") or ("=" in argument and not Path(argument).exists()):
            raise ConfigError(
                f"{argument}: no such option; crl geometry takes run folders, out=PATH, runtime.*, dataset.root="
            )
    if not places or len(out) > 1 or "out=" in out:
        raise ConfigError(
            "crl geometry needs run folders, and out=PATH at most once: crl geometry RUN_DIR [RUN_DIR ...]"
        )

    from cli.text_table import aligned
    from experiments.analysis.class_geometry import measure_runs, rows
    from experiments.analysis.geometry_files import write
    from experiments.config.paths import expanded

    target = expanded(out[0].removeprefix("out=")) if out else Path(places[0]) / "geometry"
    geometries = measure_runs(places, overrides, say)
    written = write(geometries, target)
    print(f"\n{aligned(rows(geometries))}\n")
    for path in written:
        print(path)


def help_text() -> str:
    """What can be typed behind ``crl geometry``."""
    return USAGE
