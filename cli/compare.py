"""``crl compare``: a comparison of the representations that finished runs learned."""

from crl.cli.arguments import count, parse_runs, path
from crl.cli.console import aligned, say

USAGE = """crl compare RUN_DIR [RUN_DIR ...] [points=N] [neighbours=K] [permutations=N] [out=PATH]

Measures how alike the representations of finished runs are. Encodes the same test points with the
encoder of every finished run in the folders, and compares every pair of runs by two measures:

  mutual nearest neighbours   the share of a point's K nearest points (by cosine) that both
                              representations have in common (Huh et al., 2024)
  kernel alignment            unbiased linear CKA: 1 for a rotated or scaled copy, 0 on average for
                              unrelated features

Each value comes with its null: mean and standard deviation over random pairings of the points, and
p, the share of random pairings with at least this alignment. All runs must have exactly the same
test points. They may differ in anything else.

  points=2000         test points to compare, drawn once (all of them if there are fewer)
  neighbours=10       nearest points of a point that are compared (K)
  permutations=100    random pairings for the null; p is at least 1 / (permutations + 1)
  out=PATH            folder for comparison.json and the figures: a heat map of each measure, and
                      alignment against accuracy (default: comparison/ in the first folder)
  dataset.root=PATH   where the data are now, if they have moved
  runtime.*           device, threads and so on: crl train --help runtime

Examples
  crl compare outputs/runs/glyphs-small_cnn-*/seed0
  crl compare outputs points=5000
"""

_POINTS = count("points", 2000, least=4)
_NEIGHBOURS = count("neighbours", 10, least=1)
_PERMUTATIONS = count("permutations", 100, least=1)
_OUT = path("out", None)


def run(arguments: list[str]) -> None:
    """Compare the runs in the folders that the arguments name."""
    parsed = parse_runs("compare", arguments, (_POINTS, _NEIGHBOURS, _PERMUTATIONS, _OUT))

    from crl.experiments.analysis.alignment import compare, pair_rows, run_lines, write

    comparison = compare(
        parsed.folders,
        parsed[_POINTS],
        parsed[_NEIGHBOURS],
        parsed[_PERMUTATIONS],
        parsed.overrides,
        say,
    )
    written = write(comparison, parsed[_OUT] or parsed.folders[0] / "comparison")
    print(f"\n{comparison.points} test points", *run_lines(comparison), sep="\n")
    print(f"\n{aligned(pair_rows(comparison))}\n")
    print(*written, sep="\n")
