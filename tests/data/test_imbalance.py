"""Class distributions and sizes that are not uniform: which classes and how many points."""

import pytest
import torch
from dataset_defaults import imbalance

from crl.data.dataset import Dataset, Split
from crl.data.errors import DataError
from crl.data.imbalance import majority_and_minority, profile
from crl.data.points import Images


def split(sizes: list[int], first: int = 0) -> Split:
    """Images; all pixels of one hold its number."""
    count = sum(sizes)
    pixels = (
        torch.arange(first, first + count)
        .to(torch.uint8)[:, None, None, None]
        .expand(-1, 3, 1, 1)
        .contiguous()
    )
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return Split.from_labels(Images(pixels), labels, len(sizes))


def dataset(sizes: list[int]) -> Dataset:
    few = [2] * len(sizes)
    names = [f"class {c}" for c in range(len(sizes))]
    return Dataset("made", names, split(sizes).shuffled(0), split(few, 100), split(few, 200))


@pytest.mark.parametrize("classes", [2, 3, 10, 101])
@pytest.mark.parametrize("ratio", [1, 2.5, 1000])
def test_longtail_falls_geometrically_from_1_to_1_over_the_ratio(classes, ratio):
    found = profile("longtail", classes, ratio, 0.5).tolist()
    assert found == pytest.approx([ratio ** (-c / (classes - 1)) for c in range(classes)])
    assert found[0] == 1 and found[-1] == pytest.approx(1 / ratio)


@pytest.mark.parametrize(
    ("classes", "share", "minority"),
    [(10, 0.5, 5), (10, 0.2, 2), (10, 0.99, 9), (10, 0.001, 1), (3, 0.5, 2), (2, 0.5, 1)],
)
def test_step_has_its_minority_classes_at_the_end(classes, share, minority):
    assert (
        profile("step", classes, 4, share).tolist()
        == [1] * (classes - minority) + [0.25] * minority
    )


def test_by_default_the_data_set_stays_as_it_is():
    made = dataset([6, 4])
    assert imbalance(made) is made
    assert made.train.rho is None


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("uniform", [1, 1, 1, 1]), ("longtail", [27, 9, 3, 1]), ("step", [27, 27, 1, 1])],
)
def test_a_distribution_leaves_all_points_and_holds_in_every_split(kind, wanted):
    made = dataset([6, 4, 4, 4])
    found = imbalance(made, class_distribution=kind, imbalance=27)
    for role in ("train", "dev", "test"):
        given, kept = getattr(made, role), getattr(found, role)
        assert kept.rho.tolist() == pytest.approx([w / sum(wanted) for w in wanted])
        assert kept.points is given.points and torch.equal(kept.offsets, given.offsets)


def test_sizes_keep_the_first_points_of_each_class_and_rho_follows_them_or_does_not():
    made = dataset([16, 16, 16])
    found = imbalance(made, class_sizes="longtail", imbalance=4)
    assert found.train.sizes.tolist() == [16, 8, 4]
    for c, size in enumerate([16, 8, 4]):
        whole = made.train.points.rows[made.train.offsets[c] :][:size]
        assert torch.equal(
            found.train.points.rows[found.train.offsets[c] : found.train.offsets[c + 1]], whole
        )
    assert found.test.sizes.tolist() == found.dev.sizes.tolist() == [2, 2, 2]
    for part in (
        found.train,
        found.dev,
        found.test,
        found.contrastive_splits(0.25)[0],
        found.train.to(torch.device("cpu")),
    ):
        assert part.rho.tolist() == pytest.approx([16 / 28, 8 / 28, 4 / 28])
    assert found.fingerprint() != made.fingerprint()
    uniform = imbalance(
        made, class_distribution="uniform", class_sizes="step", imbalance=4, minority_share=0.7
    )
    assert uniform.train.sizes.tolist() == [16, 4, 4]
    assert uniform.train.rho.tolist() == pytest.approx([1 / 3] * 3)


def test_smaller_classes_keep_prefixes_of_what_larger_ratios_leave():
    made = dataset([16] * 3)
    mild, strong = (imbalance(made, class_sizes="longtail", imbalance=r).train for r in (2, 8))
    for c in range(3):
        few = strong.points.rows[strong.offsets[c] : strong.offsets[c + 1]]
        assert torch.equal(few, mild.points.rows[mild.offsets[c] :][: len(few)])


def test_a_class_that_is_smaller_already_keeps_what_it_has():
    assert imbalance(
        dataset([16, 3, 16]), class_sizes="longtail", imbalance=4
    ).train.sizes.tolist() == [16, 3, 4]


def test_too_few_points_are_refused_in_one_line():
    with pytest.raises(
        DataError,
        match=r"^dataset.imbalance: 8 leaves 2 training points of class 'class 1', "
        "but 5 are needed",
    ):
        imbalance(dataset([16, 16]), class_sizes="step", imbalance=8, least=5)


def test_the_majority_is_what_lies_above_the_mean_and_is_said_aloud():
    found = imbalance(dataset([9] * 5), class_distribution="step", imbalance=10, minority_share=0.2)
    majority, minority = majority_and_minority(found.test.rho)
    assert (majority.tolist(), minority.tolist()) == ([0, 1, 2, 3], [4])
    assert found.notes == [
        "the most frequent class is drawn 10 times as often as the rarest; "
        "4 majority classes: class 0, class 1, ..., class 3"
    ]
    assert majority_and_minority(torch.tensor([0.1] * 10)) is None
    assert majority_and_minority(profile("longtail", 7, 1, 0.5)) is None
    (majority, minority) = majority_and_minority(torch.tensor([0.5, 0.25, 0.125, 0.125]))
    assert (majority.tolist(), minority.tolist()) == ([0], [2, 3])  # the mean belongs to neither
