"""The tables of the theory's quantities and bounds, and of the runs' warnings."""

from crl.experiments.metric_names import BOUNDS
from crl.experiments.report.configurations import configuration_names
from crl.experiments.report.report_data import ReportData
from crl.experiments.report.table_formats import Row, Table, measure
from crl.experiments.storage.results import Run

# Title -> where a run's result has the number.
_QUANTITIES = {
    "τ": ("tau",),
    "τ_k": ("tau_k",),
    "s(f)": ("intraclass_deviation",),
    "L_un, k = 1": ("unsupervised_loss", "total"),
    "L_un, own k and b": ("unsupervised_loss", "sampled", "mean"),
    "L_un^=": ("unsupervised_loss", "same"),
    "L_un^≠": ("unsupervised_loss", "different"),
    "L_sup^μ": ("supervised_mean_loss", "pairs"),
}


def theory_quantities(report_data: ReportData) -> Table:
    """Return tau, s(f) and the losses of every configuration, on test and training points."""
    rows = []
    for name, group in report_data.configurations.items():
        for split in ("test", "train"):
            values = (
                measure((run.theory(*path, split=split) for run in group.runs), 1, 3)
                for path in _QUANTITIES.values()
            )
            rows.append(Row((report_data.descriptions[name], split, *values), (name,)))
    return Table(
        "theory",
        "Quantities of the theory",
        "Mean ± standard deviation over seeds (number of seeds), on the finite split of test or "
        "training features. τ: probability that a negative has the anchor's class; τ_k: "
        "probability that at least one of k negatives has it; s(f): intraclass deviation; L_un: "
        "unsupervised loss; L_un^= and L_un^≠: its parts with and without such a collision "
        "(k = 1); L_sup^μ: loss of the mean classifier over pairs of classes.",
        ("configuration", "points", *_QUANTITIES),
        tuple(rows),
    )


def theory_bounds(report_data: ReportData) -> Table:
    """Return both sides and the slack of every bound of every configuration."""
    rows = []
    for name, group in report_data.configurations.items():
        for bound, title in BOUNDS.items():
            for split in ("test", "train"):
                values = [
                    measure((run.theory(bound, key, split=split) for run in group.runs), 1, 4)
                    for key in ("left", "right", "slack", "standard_error")
                ]
                if values[0] is not None:
                    rows.append(
                        Row((report_data.descriptions[name], title, split, *values), (name,))
                    )
    return Table(
        "bounds",
        "Bounds of the theory",
        "A bound says left ≤ right; slack = right − left. Mean ± standard deviation over seeds "
        "(number of seeds). The standard error is that of one run's slack; it is 0 where the bound "
        "is evaluated exactly. Lemmas 4.3 and 4.4 and Theorem 4.5 are evaluated at k = b = 1, "
        "Theorem 6.1 at the run's k, Proposition 6.2 at the run's b. In Proposition 6.2, left is "
        "the bound from blocks, right the bound from L_un.",
        ("configuration", "bound", "points", "left", "right", "slack", "standard error"),
        tuple(rows),
    )


def warnings_table(report_data: ReportData) -> Table | None:
    """Return a row for each warning with the configurations that have it; None without warnings."""
    runs_with: dict[tuple[str, str], list[Run]] = {}
    for group in report_data.configurations.values():
        for run in group.runs:
            for warning in run.warnings:
                key = (warning["kind"], f"{run.subject}: {warning['message']}")
                runs_with.setdefault(key, []).append(run)
    if not runs_with:
        return None
    return Table(
        "warnings",
        "Doubtful numbers",
        "What the runs themselves warn about. On the page, ! marks their configurations in every "
        "table.",
        ("kind", "what", "how many runs"),
        tuple(
            Row((*warning, str(len(runs))), configuration_names(runs))
            for warning, runs in sorted(runs_with.items())
        ),
    )
