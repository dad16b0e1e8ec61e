"""The paper's claims, and the verdicts on them for every data set of a report."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from crl.experiments.report import accuracy_claims as accuracy
from crl.experiments.report import loss_claims as loss
from crl.experiments.report.report_data import DatasetStudies
from crl.experiments.report.table_formats import Row, Table
from crl.experiments.report.verdicts import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, RULE, Finding


class Claim(NamedTuple):
    """A claim of the paper.

    ``brief``: the title in a few words. ``statement``: what is tested. ``paper``: what the paper
    says, with its figures.
    """

    number: str
    brief: str
    title: str
    statement: str
    paper: str
    judge: Callable[[DatasetStudies], Finding]


_MARGIN = f"{100 * accuracy.MARGIN:.0f} points"

CLAIMS = (
    Claim(
        "1",
        "mean classifier close to a linear one",
        "On unsupervised features the mean classifier is nearly as good as a trained linear one",
        f"the AVG-2 of μ is at most {_MARGIN} below that of TR",
        "CIFAR-100: TR 93.2, μ 92.0; Wiki-3029: TR 97.3, μ 97.7 (AVG-2, Table 1)",
        accuracy.mean_close_to_linear,
    ),
    Claim(
        "2",
        "unsupervised close to supervised",
        "Unsupervised features come close to supervised ones",
        f"unsupervised features give μ an AVG-2 at most {_MARGIN} below that of supervised ones",
        "the gap is 3.9 points on CIFAR-100 (95.9, 92.0), 0.0 on Wiki-3029 (97.7, 97.7) (Table 1)",
        accuracy.unsupervised_close_to_supervised,
    ),
    Claim(
        "3",
        "five labels per class nearly suffice",
        "Five labelled points per class are nearly enough",
        f"on unsupervised features, the AVG-2 of μ-5 is at most {_MARGIN} below that of μ",
        "CIFAR-100: μ 92.0, μ-5 90.6; Wiki-3029: μ 97.7, μ-5 96.9 (AVG-2, Table 1)",
        accuracy.few_labels_close_to_all,
    ),
    Claim(
        "4",
        "larger blocks help",
        "Larger blocks of similar points help",
        "AVG-2 (IMDb: sentiment accuracy) is higher at the largest b than at the smallest",
        "b = 2, 5, 10: CIFAR-100 88.1, 89.6, 89.7; Wiki-3029 96.6, 97.5, 97.7 (Table 2)",
        partial(accuracy.larger_blocks, bar=0),
    ),
    Claim(
        "4b",
        "larger blocks do not hurt",
        "Larger blocks do not hurt",
        "AVG-2 (IMDb: sentiment accuracy) at the largest b is at most "
        f"{100 * accuracy.FALL:.1f} points below that at the smallest",
        "no fall from b = 2 to b = 10 on any data set; the smallest rise is 0.5 points (Table 2)",
        partial(accuracy.larger_blocks, bar=-accuracy.FALL),
    ),
    Claim(
        "5",
        "CURL beats Quick Thoughts",
        "The block objective CURL beats Quick Thoughts (QT)",
        "at every b, CURL has a higher AVG-2 (IMDb: sentiment accuracy) than QT",
        "IMDb, b = 2, 5, 10: CURL 89.2, 89.6, 89.7; QT 86.5, 87.7, 86.7 (Table 2)",
        accuracy.curl_beats_quick_thoughts,
    ),
    Claim(
        "6",
        "more unlabelled data helps",
        "More unlabelled data helps",
        "at every k, μ is more accurate with all unlabelled points than with the smallest share",
        "the curves rise with the amount of data for every k (Figures 2a and 2b)",
        accuracy.more_data_helps,
    ),
    Claim(
        "7a",
        "more negatives help at first",
        "More negatives help at first",
        "with all points, μ is more accurate at the second k than at k = 1",
        "the curve of k = 4 lies above that of k = 1 (Figures 2a and 2b)",
        partial(accuracy.more_negatives, hurt=False),
    ),
    Claim(
        "7b",
        "too many negatives hurt",
        "Too many negatives hurt",
        "with all points, μ is less accurate at the largest k than at the k before it",
        "k = 10 is worse than k = 4 on CIFAR-100, and k = 50 than k = 8 on Wiki-3029 (Figures 2a "
        "and 2b). "
        "Later work disputes this: more negatives usually help there (Nozawa & Sato 2021; "
        "Bao et al. 2022; Awasthi et al. 2022; Ash et al. 2022)",
        partial(accuracy.more_negatives, hurt=True),
    ),
    Claim(
        "8",
        "supervised loss follows the unsupervised",
        "The supervised loss follows the unsupervised test loss",
        "over the epochs of training, the two have a correlation above 0 "
        "(interval over seeds, on Fisher's scale)",
        "the curves fall together (Figure 2c)",
        loss.losses_fall_together,
    ),
    Claim(
        "9",
        "supervised features have a low L_un",
        "Supervised features reach a low unsupervised loss",
        "L_un of supervised features is below 1, the loss of features that say nothing "
        "(k = 1, test points)",
        "L_un is about 0.4",
        loss.supervised_features_have_low_loss,
    ),
    Claim(
        "10a",
        "10 % of labels: beats supervised, TOP-1",
        "With 10 % of the labels, unsupervised features beat a supervised model: all classes",
        "the mean classifier on unsupervised features has a higher TOP-1 than a model trained on "
        "those labels alone",
        "it is about 4 points better on CIFAR-100 (100-way)",
        partial(accuracy.ten_percent_of_labels, metric="top1"),
    ),
    Claim(
        "10b",
        "10 % of labels: beats supervised, AVG-2",
        "With 10 % of the labels, unsupervised features beat a supervised model: pairs of classes",
        "the mean classifier on unsupervised features has a higher AVG-2 than a model trained on "
        "those labels alone",
        "it is about 5 points better on CIFAR-100 (binary)",
        partial(accuracy.ten_percent_of_labels, metric="avg2"),
    ),
    Claim(
        "11",
        "the bounds hold",
        "The bounds hold",
        "no run violates a bound: exact bounds hold up to rounding, sampled ones up to "
        f"{loss.ERRORS} standard errors",
        "proved for every encoder (Lemmas 4.3 and 4.4, Theorems 4.5 and 6.1 at the same encoder, "
        "Proposition 6.2)",
        loss.bounds_hold,
    ),
    Claim(
        "12",
        "the block bound is tighter",
        "The block bound is tighter than that of L_un",
        "on every run with b > 1, (L_un − τ) / (1 − τ) exceeds (L_un^block − τ) / (1 − τ) by more "
        f"than {loss.ERRORS} standard errors",
        "proved (Proposition 6.2)",
        loss.block_bound_is_tighter,
    ),
)


class JudgedClaim(NamedTuple):
    """A claim and its finding for each data set, by the label of the data set's studies."""

    claim: Claim
    findings: dict[str, Finding]


def judge_claims(datasets: Sequence[DatasetStudies]) -> list[JudgedClaim]:
    """Judge every claim on every data set."""
    return [
        JudgedClaim(claim, {studies.label: claim.judge(studies) for studies in datasets})
        for claim in CLAIMS
    ]


def claims_table(judged: Sequence[JudgedClaim]) -> Table:
    """Return a table with a row for each claim and data set."""
    rows = tuple(
        Row(
            (
                claim.number,
                claim.title,
                label,
                finding.verdict,
                finding.measured,
                "; ".join(finding.intervals),
                finding.bar.text(finding.unit) if finding.comparisons else "",
                finding.why,
            ),
            finding.sources,
        )
        for claim, findings in judged
        for label, finding in findings.items()
    )
    columns = ("claim", "what", "data", "verdict", "measured", "95 % interval", "bar", "why")
    return Table("claims", "Claims", RULE, columns, rows)


def untested(judged: Sequence[JudgedClaim]) -> list[str]:
    """Return a line for each claim that was not tested: its name, the data sets, the reasons."""
    lines = []
    for claim, findings in judged:
        reasons: dict[str, list[str]] = {}
        for label, finding in findings.items():
            if finding.verdict == NOT_TESTABLE:
                reasons.setdefault(finding.why, []).append(label)
        lines += [
            f"{claim.number} {claim.brief}, on {' and '.join(labels)}: {why}"
            for why, labels in reasons.items()
        ]
    return lines


def verdict_counts(judged: Sequence[JudgedClaim]) -> dict[str, int]:
    """Return verdict -> how often, over claims and data sets."""
    counts = Counter(finding.verdict for _, all_data in judged for finding in all_data.values())
    return {verdict: counts[verdict] for verdict in (CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE)}


def summary_lines(judged: Sequence[JudgedClaim]) -> list[str]:
    """Return a line for each claim and data set, as the console prints them."""
    width = max((len(label) + 2 for _, findings in judged for label in findings), default=0)
    return [
        f"{finding.verdict:<18}{label:<{max(14, width)}}{claim.number:<4}{claim.title}"
        for claim, findings in judged
        for label, finding in findings.items()
    ]
