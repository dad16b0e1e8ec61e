"""``crl geometry``: class means of finished runs next to the means that theory predicts."""

from crl.cli.arguments import parse_runs, path
from crl.cli.console import aligned, say

USAGE = """crl geometry RUN_DIR [RUN_DIR ...] [out=PATH]

Compares the class means of finished runs with the means that theory predicts. A folder that holds
several runs stands for all of them.

For features of length 1, theory (Nguyen et al., arXiv 2605.11291) gives the class means at the
minimum of the unsupervised loss. Equally likely classes form a tight frame (all cosines are
-1/(N-1)). Otherwise the class proportions fix the angles. Beyond some imbalance, all minority
classes share one vector; this imbalance depends on the loss and on k. crl geometry computes this
optimum with a certificate and measures the class means of each run's test points. It prints both
for runs trained with objective.normalize=true. For all other runs, frozen encoders included, it
prints the measured means alone.

  out=PATH   folder for geometry.json and the figures (default: geometry/ in the first folder): heat
             maps of the Gram matrices; for runs that differ in imbalance, also the minority's
             cosine against the imbalance
  dataset.root=PATH   where the data are now, if they have moved
  runtime.*           device, threads and so on: crl train --help runtime

Columns
  NC1                   variance within classes over variance between class means; 0: collapsed
  to tight frame,       relative distance of the Gram matrix of the class means to the tight frame's
  to prediction         and to the predicted one
  minority cosine,      mean cosine between minority classes, measured
  minority predicted    and predicted
  loss of means,        the loss if every class collapsed to its measured mean
  least loss            and the smallest possible loss
  certificate           upper bound on how far the predicted matrix is from the minimum

Examples
  crl train -m experiment=minority_collapse dataset.imbalance=1,3,10,30,100 objective.negatives=1,4
  crl geometry outputs/runs
  crl train -m experiment=minority_collapse_glyphs dataset.imbalance=1,10,100
"""

_OUT = path("out", None)


def run(arguments: list[str]) -> None:
    """Measure the runs in the folders that the arguments name."""
    parsed = parse_runs("geometry", arguments, (_OUT,))

    from crl.experiments.analysis.class_geometry import measure_runs, rows
    from crl.experiments.analysis.geometry_figures import write

    geometries = measure_runs(parsed.folders, parsed.overrides, say)
    written = write(geometries, parsed[_OUT] or parsed.folders[0] / "geometry")
    print(f"\n{aligned(rows(geometries))}\n")
    print(*written, sep="\n")
