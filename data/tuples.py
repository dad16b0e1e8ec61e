"""Drawing tuples: an anchor, a positive block of its class, and negative blocks of classes drawn
from rho."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from data.seeding import generator


class TupleBatch(NamedTuple):
    """B tuples as indices into a split sorted by class.

    points [m, B] holds those of tuple t in column t: the first point of each of its blocks
    (positive, then negatives), the second of each, and so on, and the anchor last; classes [B] are
    the anchors'.
    """

    points: Tensor
    classes: Tensor
    block_size: int

    @property
    def anchors(self) -> Tensor:
        """[B]."""
        return self.points[-1]

    @property
    def positives(self) -> Tensor:
        """[b, B]."""
        return self.points[:-1].unflatten(0, (self.block_size, -1))[:, 0]

    @property
    def negatives(self) -> Tensor:
        """[b, k, B]; k is 0 where no negative blocks were drawn."""
        return self.points[:-1].unflatten(0, (self.block_size, -1))[:, 1:]


class TupleSampler:
    """Draws tuples from a split with the given class offsets [N + 1].

    ``rho`` [N], by which classes are drawn, is proportional to the class sizes where it is not
    given. Anchor and block points are i.i.d. from their class (with replacement, as ``D_c`` is
    sampled in section 2), the classes of the negatives i.i.d. from rho, so that a negative may have
    the anchor's class. ``collisions=False`` draws them from rho given that they are not the
    anchor's: an ablation, not the paper's procedure.

    ``negatives``: k new blocks per tuple, the paper's literal procedure; none where tuples serve
    one another as negatives (``crl.losses.pooled.pooled_contrastive_loss``).

    Raises ValueError where rho does not fit the classes, or gives one without points a chance.
    """

    def __init__(
        self,
        offsets: Tensor,
        block_size: int,
        negatives: int = 0,
        collisions: bool = True,
        rho: Tensor | None = None,
    ) -> None:
        self.starts = offsets[:-1].contiguous()
        self.sizes = offsets.diff()
        self.labels = torch.arange(len(self.sizes), device=offsets.device).repeat_interleave(
            self.sizes
        )
        # A class is drawn as one of so many places, of which it has a span: those of its points, or
        # its share of 31 bits.
        self._spans = offsets if rho is None else _spans_of(rho, self.sizes)
        self._places = len(self.labels) if rho is None else _BITS
        self._by_points = rho is None
        self.block_size = block_size
        self.negatives = negatives
        self.collisions = collisions
        self._blocks = 1 + negatives  # of a tuple: the positive one, then the negative ones

    @property
    def points_per_tuple(self) -> int:
        """How many points of a tuple are encoded."""
        return self.block_size * self._blocks + 1

    def draw(self, tuples: int, generator: torch.Generator) -> TupleBatch:
        """A batch of so many tuples."""
        return self.draw_many(1, tuples, generator)[0]

    def draw_many(self, batches: int, tuples: int, generator: torch.Generator) -> list[TupleBatch]:
        """So many independent batches: drawing them together costs hardly more than drawing one."""
        count, inside = batches * tuples, self.points_per_tuple - 1
        # Rows of points: those of the blocks, the anchor, then one for the class of each negative
        # block. Random numbers become points where they lie. Where classes are drawn by their
        # points, the one drawn for its class is the anchor.
        first = inside if self._by_points else inside + 1
        points = _random_31_bits((first + self._blocks, count), generator)
        classes = self._class_of(_scaled(points[first:], self._places))
        if not self.collisions:
            classes[1:] = self._without_collisions(classes[0], generator)
        starts, sizes = (
            of.index_select(0, classes.flatten()).view(-1, count)
            for of in (self.starts, self.sizes)
        )
        _scaled(points[:inside].unflatten(0, (self.block_size, self._blocks)), sizes).add_(starts)
        if not self._by_points:
            _scaled(points[inside], sizes[0]).add_(starts[0])
        parts = zip(points[: inside + 1].split(tuples, 1), classes[0].split(tuples), strict=True)
        return [TupleBatch(p, c, self.block_size) for p, c in parts]

    def _without_collisions(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """k classes for each anchor's class in classes [m], none of them that: [k, m]."""
        # A uniform choice among the places outside of the anchor's class, which is one gap in their
        # order.
        starts, sizes = self._spans[classes], self._spans.diff()[classes]
        place = _scaled(
            _random_31_bits((self.negatives, len(classes)), generator), self._places - sizes
        )
        return self._class_of(torch.where(place < starts, place, place + sizes))

    def _class_of(self, places: Tensor) -> Tensor:
        """The class that has each place, int64 and shaped like them."""
        if self._by_points:
            return self.labels.index_select(0, places.flatten()).view_as(places)
        return torch.searchsorted(self._spans[1:], places, right=True)


class TupleStream:
    """The batches of a training run, one a step. A batch depends on (seed, stream, step) alone, so
    that a resumed run draws what it would have drawn, although many steps are drawn at once."""

    _POINTS = (
        2**16
    )  # of one call: enough to make its overhead small, and they stay in a CPU's cache

    def __init__(self, sampler: TupleSampler, batch_size: int, seed: int, stream: str) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.seed = seed
        self.stream = stream
        self._steps = max(1, self._POINTS // (batch_size * sampler.points_per_tuple))
        self._number = -1
        self._drawn: list[TupleBatch] = []

    def batch(self, step: int) -> TupleBatch:
        """The tuples of step 0, 1, ..."""
        number, place = divmod(step, self._steps)
        if number != self._number:
            draws = generator(self.seed, self.stream, number, self.sampler.sizes.device)
            self._number, self._drawn = (
                number,
                self.sampler.draw_many(self._steps, self.batch_size, draws),
            )
        return self._drawn[place]


_BITS = 2**31


def _spans_of(rho: Tensor, sizes: Tensor) -> Tensor:
    """Where each class's share of 0..2**31-1 begins, and where the last one ends: int64 [N + 1]."""
    if (
        rho.shape != sizes.shape
        or not bool((rho >= 0).all() & rho.isfinite().all())
        or float(rho.sum()) <= 0
    ):
        raise ValueError(f"rho must be {len(sizes)} numbers from 0 on, not all of them 0")
    rho = rho.to(sizes.device, torch.float64)
    if bool((rho > 0)[sizes == 0].any()):
        raise ValueError("rho gives a class without points a chance")
    ends = rho.cumsum(0)
    ends = (ends / ends[-1] * _BITS).round().long()
    return torch.cat([ends.new_zeros(1), ends])


def _random_31_bits(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """int64, uniform in 0..2**31-1: two from each number that the generator makes."""
    count = shape[0] * shape[1]
    drawn = _random_63_bits(-(-count // 2), generator)
    bits = drawn.new_empty(2, len(drawn))
    torch.bitwise_right_shift(drawn, 32, out=bits[0])
    torch.bitwise_and(drawn, 2**31 - 1, out=bits[1])
    return bits.flatten()[:count].view(shape)


def _random_63_bits(count: int, generator: torch.Generator) -> Tensor:
    """int64 [count], uniform in 0..2**63-1."""
    if generator.device.type != "cpu":
        return torch.empty(count, dtype=torch.int64, device=generator.device).random_(
            generator=generator
        )
    seed = int(torch.randint(2**62, (), generator=generator))
    numbers = np.random.SFC64(seed).random_raw(count) >> np.uint64(
        1
    )  # twice as fast as torch's own there
    return torch.from_numpy(numbers.view(np.int64))


def _scaled(bits: Tensor, sizes: Tensor | int) -> Tensor:
    """31 random bits to a number in 0..sizes-1, in place. In whole numbers: no chance is off by
    more than 2**-31."""
    return bits.mul_(sizes).bitwise_right_shift_(31)
