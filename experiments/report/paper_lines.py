"""The lines that name the paper's figures below a table of another setting."""

from collections.abc import Callable, Mapping, Sequence

from crl.experiments.config.identity import flat_options
from crl.experiments.metric_names import metric_title
from crl.experiments.report import paper_numbers as paper
from crl.experiments.report.configurations import reads_text
from crl.experiments.storage.results import Run

# Method of Table 1 -> (its short name, its objective).
METHODS = {"supervised": ("sup", "supervised"), "unsupervised": ("unsup", "contrastive")}


def paper_line_1(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a line with the paper's figures of another setting: those of its nearest data set."""
    every = [run for group in runs.values() for run in group]
    nearest = _nearest(every)
    setting = paper.SETTINGS[nearest]
    named = []
    for metric in ("avg2", "top1"):
        figures = [
            f"{short} {', '.join(map(str, paper.TABLE_1[nearest, objective][metric]))}"
            for method, (short, objective) in METHODS.items()
            if method in runs
        ]
        named.append(f"{metric_title(metric)} {'; '.join(figures)}")
    return (
        f"The paper has another setting ({paper.TITLES[nearest]}, b = {setting.block_size}, "
        f"k = {setting.negatives}; one run): TR, μ, μ-5 are {'. '.join(named)}. "
        f"{_here(every, paper.unlike_table_1)}"
    ).strip()


def paper_line_2(runs: Sequence[Run]) -> str:
    """Return a line with the paper's figures of another setting, for data of the same modality."""
    figures = (
        f"{method} on {paper.TITLES[dataset]} {', '.join(map(str, by_size.values()))}"
        for (dataset, method), by_size in paper.TABLE_2.items()
        if reads_text(runs[0]) == (dataset != "cifar100")
    )
    sentiment = " (on IMDb accuracy of sentiment)" if reads_text(runs[0]) else ""
    return (
        f"The paper has another setting (one run each): AVG-2 in % at b = 2, 5, 10{sentiment} is "
        f"{'; '.join(figures)}. {_here(runs, paper.unlike_table_2)}"
    ).strip()


def _here(runs: Sequence[Run], unlike: Callable[..., list[str]]) -> str:
    """Return in what the runs differ from the paper's setting."""
    different = dict.fromkeys(
        difference
        for run in runs
        for difference in unlike(flat_options(run.config), run.result, _nearest([run]))
    )
    return f"Here: {'; '.join(different)}." if different else ""


def _nearest(runs: Sequence[Run]) -> str:
    """Return the paper's data set of the runs' modality."""
    return "wiki3029" if reads_text(runs[0]) else "cifar100"
