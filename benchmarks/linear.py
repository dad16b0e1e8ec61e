"""The linear classifier: ours compared with scikit-learn's, and ours alone at a larger size.

Both fit all penalties of ``evaluation.l2`` to the same made-up features and keep the one with the
best dev accuracy. Standardisation is part of the time. ``cifar_size`` (50,000 training points,
d = 100, 100 classes): scikit-learn's time / ours, and our dev accuracy minus scikit-learn's, on one
thread each, so that thread pools have no influence; a repeat is a draw of features. ``wiki_size``
(424,060 points, d = 300, 3029 classes): ours with all threads, once, as scikit-learn would take
hours.
"""

import time

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.features import CIFAR, WIKI, Size, clustered
from benchmarks.process import in_own_process, resident_gb
from benchmarks.timing import Ratios, one_thread
from crl.experiments.config.schema import EvaluationConfig
from crl.scoring.classifiers import best_linear_classifier

PENALTIES = EvaluationConfig().l2


def measure(repeats: int, small: Size = CIFAR, large: Size = WIKI) -> dict[str, list[float]]:
    """Return ratio and difference at the small size; seconds, accuracy, GB at the large one."""
    compared = [
        compare(small, seed)
        for seed in tqdm(range(repeats), desc="linear", disable=None, leave=False)
    ]
    (seconds, accuracy, before), peak = in_own_process(ours_alone, large, torch.get_num_threads())
    return {
        "linear/cifar_size/scikit_learn_ratio": Ratios(
            [theirs for _, theirs, _ in compared], [ours for ours, _, _ in compared]
        ),
        "linear/cifar_size/dev_accuracy_difference": [difference for *_, difference in compared],
        "linear/wiki_size/seconds": [seconds],
        "linear/wiki_size/dev_accuracy": [accuracy],
        "linear/wiki_size/extra_memory_gb": [peak - before],
    }


def note() -> str:
    """Say how it measures."""
    penalties = ", ".join(f"{l2:g}" for l2 in PENALTIES)
    return f"choice among l2 = {penalties}; CIFAR size one thread each, Wiki size all threads, once"


def compare(size: Size, seed: int) -> tuple[float, float, float]:
    """Return our seconds, scikit-learn's, and our dev accuracy - scikit-learn's, on one thread."""
    train, dev = clustered(size, (size.train, size.held_out), seed)
    with one_thread(), threadpool_limits(1):
        start = time.perf_counter()
        accuracy = best_linear_classifier(
            train, dev, size.classes, PENALTIES, torch.Generator().manual_seed(seed)
        )[2]
        ours = time.perf_counter() - start
        start = time.perf_counter()
        sklearn_accuracy = scikit_learn(train, dev)
        theirs = time.perf_counter() - start
    return ours, theirs, accuracy - sklearn_accuracy


def scikit_learn(
    train: tuple[torch.Tensor, torch.Tensor], dev: tuple[torch.Tensor, torch.Tensor]
) -> float:
    """Return the best dev accuracy of all penalties; each fit starts from the stronger one's."""
    (features, labels), (dev_features, dev_labels) = (
        (x.numpy(), y.numpy()) for x, y in (train, dev)
    )
    scaler = StandardScaler().fit(features)
    features, dev_features = scaler.transform(features), scaler.transform(dev_features)
    solver = LogisticRegression(max_iter=1000, warm_start=True)
    accuracies = []
    for l2 in sorted(PENALTIES, reverse=True):
        solver.set_params(C=1 / (l2 * len(labels))).fit(features, labels)
        accuracies.append(float(solver.score(dev_features, dev_labels)))
    return max(accuracies)


def ours_alone(size: Size, threads: int) -> tuple[float, float, float]:
    """Return seconds, dev accuracy, and the GB in use before the fit."""
    torch.set_num_threads(threads)
    train, dev = clustered(size, (size.train, size.held_out), seed=0)
    before = resident_gb()
    start = time.perf_counter()
    accuracy = best_linear_classifier(
        train, dev, size.classes, PENALTIES, torch.Generator().manual_seed(0)
    )[2]
    return time.perf_counter() - start, accuracy, before
