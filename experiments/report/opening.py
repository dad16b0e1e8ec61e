"""The words that a report opens with: what was measured on what, and what to mind."""

from collections.abc import Iterator, Sequence

from crl.experiments.report import paper_numbers as paper
from crl.experiments.report.claims import JudgedClaim, verdict_counts
from crl.experiments.report.configurations import SeedGroup, reads_text
from crl.experiments.report.report_data import ReportData
from crl.experiments.report.verdicts import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE
from crl.experiments.storage.results import Run

TITLE = "Contrastive unsupervised representation learning: the paper's claims, measured again"
ABOUT = (
    "Arora et al. (ICML 2019) learn an encoder without labels and prove that its features tell the "
    "hidden classes apart. This report trains such encoders, and supervised ones, again and tests "
    "what the paper says of them."
)
WORDS = (
    "Features are scored by two classifiers. The mean classifier (μ) takes the mean of each "
    "class's training features (μ-5: of five labelled points); the linear classifier (TR) is "
    "trained. AVG-k is the average accuracy over all tasks of k classes. TOP-R is the share of "
    "points whose true class is among the R best. b: points of one class that stand beside an "
    "anchor as a block. k: negatives, drawn from any class. L_un: the unsupervised loss."
)
NO_VERDICT = (
    "A sweep asks a question of its own: the paper makes no claim about it, so it has a table and "
    "no verdict. Claims about every run (11 and 12) take its runs in."
)
# Data set -> its points.
_POINTS = {
    "glyphs": "images of characters",
    "docstrings": "sentences about Python modules",
    "cifar100": "photographs",
    "wiki3029": "sentences of Wikipedia",
    "imdb": "sentences of film reviews",
    "features": "points",
    "class_ids": "points",
}
_ENCODERS = {
    "small_cnn": "small CNN",
    "vgg16": "VGG-16",
    "gru": "GRU",
    "bag_of_words": "bag of words",
}


def measured(report_data: ReportData) -> str:
    """Return data sets, their sizes and encoders, and the number of runs in one line."""
    subjects = dict.fromkeys(studies.subject for studies in report_data.datasets)
    every = [*_runs(report_data)]
    told = (_data_set(subject, [r for r in every if r.subject == subject]) for subject in subjects)
    seeds = sorted({run.seed for run in every})
    return (
        f"Measured on {'; '.join(told)}. {len(every)} {'run' if len(every) == 1 else 'runs'}, "
        f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}."
    )


def _data_set(subject: str, runs: Sequence[Run]) -> str:
    largest = max(runs, key=lambda run: run.result["dataset"]["train_points"]).result["dataset"]
    kind = "sentences" if reads_text(runs[0]) else "images"
    models = (run.config["encoder"].get("model") or run.config["encoder"]["name"] for run in runs)
    encoders = dict.fromkeys(_ENCODERS.get(model, model) for model in models)
    return (
        f"{subject} ({largest['train_points']:,} training {_POINTS.get(runs[0].dataset, kind)}, "
        f"{largest['classes']} classes; {', '.join(encoders)})"
    )


def _runs(report_data: ReportData) -> Iterator[Run]:
    return (run for group in report_data.configurations.values() for run in group.runs)


def counted(judged: Sequence[JudgedClaim]) -> str:
    """Return what the verdicts count."""
    labels = {label for _, findings in judged for label in findings}
    each = f", on each of {len(labels)} data sets" if len(labels) > 1 else ""
    return f"The paper's {len(judged)} claims{each}:"


def verdict_words(judged: Sequence[JudgedClaim]) -> dict[str, str]:
    """Return verdict -> how often, in words."""
    words = {
        CONFIRMED: ("holds", "hold"),
        NOT_CONFIRMED: ("does not hold", "do not hold"),
        NOT_TESTABLE: ("cannot be tested here",) * 2,
    }
    return {v: f"{n} {words[v][n != 1]}" for v, n in verdict_counts(judged).items()}


def caution(report_data: ReportData) -> str:
    """Say how far the setting is from the paper's, and what the intervals leave out."""
    groups = report_data.configurations.values()
    same = sum(map(_is_the_papers, groups))
    setting = (
        f"{same} of {len(groups)} configurations have the paper's data, encoder and length, as far "
        "as it states them; the others test its claims, not its figures."
        if same
        else "No run has the paper's setting (data, encoder, length): the paper's claims are "
        "tested here, not its figures."
    )
    return (
        f"{setting} Intervals show how much seeds differ, not other data, and nothing corrects for "
        "the number of claims."
    )


def _is_the_papers(group: SeedGroup) -> bool:
    return any(paper.in_print(f, group.runs) for f in (paper.table_1, paper.table_2))
