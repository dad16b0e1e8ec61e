"""Tuples follow the paper's procedure, and a step alone determines what it draws."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from crl.data.seeding import generator
from crl.data.tuples import TupleSampler, TupleStream

SIZES = [1, 2, 5, 12, 0, 30]


def sampler(sizes: list[int], block_size: int = 3, negatives: int = 4) -> TupleSampler:
    return TupleSampler(torch.tensor([0, *sizes]).cumsum(0), block_size, negatives)


def class_of(sizes: list[int], index: torch.Tensor) -> torch.Tensor:
    owner = [c for c, size in enumerate(sizes) for _ in range(size)]
    return torch.tensor([owner[i] for i in index.flatten().tolist()], dtype=torch.int64).view(
        index.shape
    )


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any),
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(0, 2**31),
)
def test_indices_lie_in_the_class_they_are_drawn_for(sizes, tuples, block_size, negatives, seed):
    draws = sampler(sizes, block_size, negatives)
    batch = draws.draw(tuples, generator(seed, "train", 0))
    assert batch.anchors.shape == batch.classes.shape == (tuples,)
    assert batch.positives.shape == (block_size, tuples)
    assert torch.equal(class_of(sizes, batch.anchors), batch.classes)
    assert torch.equal(class_of(sizes, batch.positives), batch.classes.expand(block_size, -1))
    assert batch.negatives.shape == (block_size, negatives, tuples)
    owners = class_of(sizes, batch.negatives)
    assert torch.equal(owners, owners[:1].expand_as(owners))  # a block has one class
    own = torch.cat([batch.positives.flatten(), batch.negatives.flatten(), batch.anchors])
    assert batch.points.numel() == tuples * draws.points_per_tuple == len(own)
    assert torch.equal(batch.points.flatten().sort().values, own.sort().values)


def test_classes_of_anchors_and_negatives_are_drawn_from_rho():
    batch = sampler(SIZES, negatives=2).draw(20_000, generator(0, "train", 0))
    for classes in (batch.classes, class_of(SIZES, batch.negatives[0])):
        counts = torch.bincount(classes.flatten(), minlength=len(SIZES)).double()
        assert counts[4] == 0
        counts, rho = (
            counts[counts > 0],
            torch.tensor([s for s in SIZES if s], dtype=torch.float64) / sum(SIZES),
        )
        assert chisquare(counts, rho * counts.sum()).pvalue > 1e-3


def test_points_are_uniform_inside_a_class():
    batch = sampler([3, 7], negatives=1).draw(20_000, generator(1, "train", 0))
    for points in (batch.anchors, batch.positives, batch.negatives):
        counts = torch.bincount(points.flatten(), minlength=10).double()
        for own in (counts[:3], counts[3:]):
            assert chisquare(own).pvalue > 1e-3


def test_anchor_and_positive_are_independent_draws_from_the_class():
    batch = sampler([4, 4], block_size=2, negatives=0).draw(20_000, generator(2, "train", 0))
    for one, other in (
        (batch.anchors, batch.positives[0]),
        (batch.positives[0], batch.positives[1]),
    ):
        same = torch.bincount(one[one == other], minlength=8).sum().item()
        assert (
            chisquare([same, 20_000 - same], [5_000, 15_000]).pvalue > 1e-3
        )  # with replacement: 1 in 4


def test_a_fresh_negative_has_the_class_of_its_anchor_as_often_as_chance_says():
    batch = sampler(SIZES, negatives=4).draw(20_000, generator(3, "train", 0))
    hit = class_of(SIZES, batch.negatives[0]) == batch.classes
    for c, size in enumerate(SIZES):
        if size:
            rho, hits = size / sum(SIZES), hit[:, batch.classes == c]
            expected = [(1 - rho) * hits.numel(), rho * hits.numel()]
            assert (
                chisquare(torch.bincount(hits.flatten().long(), minlength=2), expected).pvalue
                > 1e-3
            )
    assert hit.double().mean().item() == pytest.approx(
        sum((s / sum(SIZES)) ** 2 for s in SIZES), abs=0.01
    )  # tau


@pytest.mark.parametrize("negatives", [0, 4])
def test_a_step_is_determined_by_seed_stream_and_step(negatives):
    draws = sampler(SIZES, negatives=negatives)

    def batch(*key):
        return [t.tolist() for t in draws.draw(16, generator(*key))[:2]]

    first = batch(0, "train", 5)
    assert first == batch(0, "train", 5)
    others = [batch(1, "train", 5), batch(0, "dev", 5), batch(0, "train", 6), batch(0, "train", 50)]
    assert all(a != b for other in others for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("negatives", [0, 4])
def test_a_stream_gives_a_step_the_same_batch_wherever_it_starts(negatives, monkeypatch):
    monkeypatch.setattr("crl.data.tuples._POINTS_A_CALL", 700)  # some steps at once, not all

    def stream():
        return TupleStream(sampler(SIZES, negatives=negatives), 8, 0, "train")

    whole = stream()
    batches = [[t.tolist() for t in whole.batch(step)[:2]] for step in range(60)]
    assert len({str(batch) for batch in batches}) == 60
    for step in (0, 7, 31, 59, 12):
        assert [t.tolist() for t in stream().batch(step)[:2]] == batches[step]
    again = stream()
    assert [[t.tolist() for t in again.batch(step)[:2]] for step in (59, 3, 4, 58)] == [
        batches[i] for i in (59, 3, 4, 58)
    ]


def test_batches_drawn_together_are_independent():
    first, second = sampler([4, 4], block_size=1, negatives=0).draw_many(
        2, 20_000, generator(4, "train", 0)
    )
    same = int((first.anchors == second.anchors).sum())
    assert chisquare([same, 20_000 - same], [2_500, 17_500]).pvalue > 1e-3


def test_without_collisions_negatives_come_from_rho_given_another_class():
    draws = TupleSampler(torch.tensor([0, *SIZES]).cumsum(0), 2, 3, collisions=False)
    batch = draws.draw(20_000, generator(0, "train", 0))
    negatives = class_of(SIZES, batch.negatives[0])
    assert not bool((negatives == batch.classes).any())
    for anchor, size in enumerate(SIZES):
        if size < 5:
            continue  # too few anchors for a chi-square test
        counts = torch.bincount(
            negatives[:, batch.classes == anchor].flatten(), minlength=len(SIZES)
        ).double()
        wanted = torch.tensor(
            [0 if c == anchor else s for c, s in enumerate(SIZES)], dtype=torch.float64
        )
        wanted, counts = wanted[wanted > 0], counts[wanted > 0]
        assert chisquare(counts, wanted / wanted.sum() * counts.sum()).pvalue > 1e-3


RHO = torch.tensor([0.05, 0.3, 0.25, 0.1, 0.0, 0.3], dtype=torch.float64)


@pytest.mark.parametrize("collisions", [True, False])
def test_classes_are_drawn_from_the_rho_that_is_given_and_points_uniformly_inside(collisions):
    draws = TupleSampler(torch.tensor([0, *SIZES]).cumsum(0), 2, 3, collisions, 7 * RHO)
    batch = draws.draw(30_000, generator(0, "train", 0))
    counts = torch.bincount(batch.classes, minlength=len(SIZES)).double()
    assert counts[4] == 0
    assert chisquare(counts[RHO > 0], RHO[RHO > 0] * counts.sum()).pvalue > 1e-3
    negatives = class_of(SIZES, batch.negatives[0])
    for anchor in (c for c in range(len(SIZES)) if RHO[c] > 0):
        wanted = RHO.clone()
        wanted[anchor] *= collisions
        counts = torch.bincount(
            negatives[:, batch.classes == anchor].flatten(), minlength=len(SIZES)
        ).double()
        assert counts[wanted == 0].sum() == 0
        wanted, counts = wanted[wanted > 0], counts[wanted > 0]
        assert chisquare(counts, wanted / wanted.sum() * counts.sum()).pvalue > 1e-3
    for points in (batch.anchors, batch.positives, batch.negatives):
        counts = torch.bincount(points.flatten(), minlength=sum(SIZES)).double()
        for own, total in zip(counts.split(SIZES), RHO, strict=True):
            assert total == 0 or len(own) == 1 or chisquare(own).pvalue > 1e-3


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=6),
    st.integers(1, 3), st.integers(0, 4), st.integers(0, 2**31),
)  # fmt: skip
def test_indices_lie_in_classes_that_rho_allows(classes, block_size, negatives, seed):
    sizes, shares = [s for s, _ in classes], [share * (s > 0) for s, share in classes]
    if not any(shares):
        shares, sizes = [*shares, 1], [*sizes, 1]
    draws = TupleSampler(
        torch.tensor([0, *sizes]).cumsum(0), block_size, negatives, rho=torch.tensor(shares)
    )
    batch = draws.draw(9, generator(seed, "train", 0))
    assert torch.equal(class_of(sizes, batch.anchors), batch.classes)
    assert torch.equal(class_of(sizes, batch.positives), batch.classes.expand(block_size, -1))
    owners = class_of(sizes, batch.negatives)
    assert torch.equal(owners, owners[:1].expand_as(owners))
    assert all(shares[c] > 0 for c in [*batch.classes.tolist(), *owners.flatten().tolist()])


def test_every_31_bit_number_falls_to_the_class_whose_share_it_lies_in():
    draws = TupleSampler(torch.tensor([0, 1, 2, 3]), 1, rho=torch.tensor([1.0, 0.0, 3.0]))
    places = torch.tensor([0, 2**29 - 1, 2**29, 2**31 - 1])
    assert draws._class_of(places).tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    "rho", [[0.5, 0.5], [1, 1, -1], [0, 0, 0], [1, 1, float("nan")], [0.5, 0.2, 0.3]]
)
def test_a_rho_that_does_not_fit_is_refused(rho):
    with pytest.raises(ValueError, match="rho"):
        TupleSampler(torch.tensor([0, 2, 2, 5]), 1, rho=torch.tensor(rho))


# Drawn by the version that had no rho.
POOLED = [[24, 33, 37], [39, 49, 47], [49, 44, 43], [22, 21, 44]]
FRESH = [[24, 33, 37], [15, 2, 19], [16, 19, 11], [48, 40, 39]]


def test_without_rho_the_draws_are_what_they_were_before_there_was_one():
    """A run that an older version started must go on with the same batches."""
    pooled, fresh = (
        sampler(SIZES, negatives=0),
        TupleSampler(torch.tensor([0, *SIZES]).cumsum(0), 1, 2, collisions=False),
    )
    assert pooled.draw(3, generator(0, "tuples", 7)).points.tolist() == POOLED
    assert fresh.draw(3, generator(0, "tuples", 7)).points.tolist() == FRESH
