"""The draw of tuples: an anchor, a positive block of its class, and negative blocks."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from crl.data.seeding import generator

_PLACES = 2**31  # rho is rounded to shares of so many
_POINTS_A_CALL = 2**16  # drawn at once: enough for a small overhead, and they fit a CPU's cache


class TupleBatch(NamedTuple):
    """B tuples as indices into a split sorted by class.

    points [m, B]: column t holds the points of tuple t. First comes the first point of each block
    (the positive block, then the negative ones), then the second point of each, and so on. The
    anchor is last. classes [B]: the classes of the anchors.
    """

    points: Tensor
    classes: Tensor
    block_size: int

    @property
    def anchors(self) -> Tensor:
        """The anchors: [B]."""
        return self.points[-1]

    @property
    def positives(self) -> Tensor:
        """The positive blocks: [b, B]."""
        return self.points[:-1].unflatten(0, (self.block_size, -1))[:, 0]

    @property
    def negatives(self) -> Tensor:
        """The negative blocks: [b, k, B]; k is 0 if none were drawn."""
        return self.points[:-1].unflatten(0, (self.block_size, -1))[:, 1:]


class TupleSampler:
    """A sampler of tuples from a split with the class offsets [N + 1].

    Anchors and block points are i.i.d. from their class, with replacement, as from ``D_c`` in
    section 2 of the paper. The classes of anchors and negatives are i.i.d. from ``rho`` [N].
    Without rho, a class is as likely as its share of the points. A negative may thus have the
    anchor's class. With ``collisions=False`` it never has: negative classes are drawn from rho
    given that they differ from the anchor's. That is an ablation, not the paper's procedure.

    ``negatives``: new blocks per tuple (k), the paper's literal procedure. It is 0 where tuples
    serve one another as negatives (``crl.losses.pooled.pooled_contrastive_loss``).
    ``points_per_tuple``: the number of points of a tuple that are encoded.

    Raises ValueError if rho does not fit the classes, or gives a class without points a chance.
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
        # To draw a class is to draw a place. Each class has a span of places: those of its points,
        # or its share of 2**31.
        self._by_points = rho is None
        self._spans = offsets if rho is None else _spans_of(rho, self.sizes)
        self._places = len(self.labels) if rho is None else _PLACES
        self.block_size = block_size
        self.negatives = negatives
        self.collisions = collisions
        self._blocks = 1 + negatives  # of a tuple: the positive one, then the negative ones
        self.points_per_tuple = block_size * self._blocks + 1

    def draw(self, tuples: int, generator: torch.Generator) -> TupleBatch:
        """Draw one batch of tuples."""
        return self.draw_many(1, tuples, generator)[0]

    def draw_many(self, batches: int, tuples: int, generator: torch.Generator) -> list[TupleBatch]:
        """Draw independent batches; together they take hardly longer than one."""
        count, block_points = batches * tuples, self.points_per_tuple - 1
        # Rows: the points of the blocks, the anchor, one row for the class of each negative block.
        # Random numbers become points in place. Where classes are drawn by their points, the point
        # that is drawn for its class is the anchor.
        first = block_points if self._by_points else block_points + 1
        points = _random_31_bits((first + self._blocks, count), generator)
        classes = self._class_of(_scaled(points[first:], self._places))
        if not self.collisions:
            classes[1:] = self._other_classes(classes[0], generator)
        starts, sizes = (
            of.index_select(0, classes.flatten()).view(-1, count)
            for of in (self.starts, self.sizes)
        )
        blocks = points[:block_points].unflatten(0, (self.block_size, self._blocks))
        _scaled(blocks, sizes).add_(starts)
        if not self._by_points:
            _scaled(points[block_points], sizes[0]).add_(starts[0])
        columns = zip(
            points[: block_points + 1].split(tuples, 1), classes[0].split(tuples), strict=True
        )
        return [TupleBatch(column, of, self.block_size) for column, of in columns]

    def _other_classes(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """Draw k classes for each anchor, none of them its class: classes [m] -> [k, m]."""
        # Uniform among the places outside the anchor's class, which is one gap in their order.
        starts, sizes = self._spans[classes], self._spans.diff()[classes]
        bits = _random_31_bits((self.negatives, len(classes)), generator)
        place = _scaled(bits, self._places - sizes)
        return self._class_of(torch.where(place < starts, place, place + sizes))

    def _class_of(self, places: Tensor) -> Tensor:
        """The class whose span holds each place: int64, shaped like places."""
        if self._by_points:
            return self.labels.index_select(0, places.flatten()).view_as(places)
        return torch.searchsorted(self._spans[1:], places, right=True)


class TupleStream:
    """The batches of a training run, one a step.

    A batch depends on (seed, stream, step) alone, although many steps are drawn at once. A resumed
    run therefore draws what it would have drawn.
    """

    def __init__(self, sampler: TupleSampler, batch_size: int, seed: int, stream: str) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.seed = seed
        self.stream = stream
        self._steps = max(1, _POINTS_A_CALL // (batch_size * sampler.points_per_tuple))
        self._call = -1
        self._batches: list[TupleBatch] = []

    def batch(self, step: int) -> TupleBatch:
        """The tuples of step 0, 1, ..."""
        call, place = divmod(step, self._steps)
        if call != self._call:
            random = generator(self.seed, self.stream, call, self.sampler.sizes.device)
            self._batches = self.sampler.draw_many(self._steps, self.batch_size, random)
            self._call = call
        return self._batches[place]


def _spans_of(rho: Tensor, sizes: Tensor) -> Tensor:
    """The beginnings of the classes' shares of 0..2**31-1, and the end: int64 [N + 1]."""
    if rho.shape != sizes.shape or not bool(
        (rho >= 0).all() & rho.isfinite().all() & (rho.sum() > 0)
    ):
        raise ValueError(f"rho must be {len(sizes)} numbers from 0 on, not all of them 0")
    rho = rho.to(sizes.device, torch.float64)
    if bool((rho > 0)[sizes == 0].any()):
        raise ValueError("rho gives a class without points a chance")
    ends = rho.cumsum(0)
    ends = (ends / ends[-1] * _PLACES).round().long()
    return torch.cat([ends.new_zeros(1), ends])


def _random_31_bits(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Random int64, uniform in 0..2**31-1: two from each number that the generator makes."""
    count = shape[0] * shape[1]
    numbers = _random_63_bits(-(-count // 2), generator)
    bits = numbers.new_empty(2, len(numbers))
    torch.bitwise_right_shift(numbers, 32, out=bits[0])
    torch.bitwise_and(numbers, 2**31 - 1, out=bits[1])
    return bits.flatten()[:count].view(shape)


def _random_63_bits(count: int, generator: torch.Generator) -> Tensor:
    """Random int64 [count], uniform in 0..2**63-1."""
    if generator.device.type != "cpu":
        return torch.empty(count, dtype=torch.int64, device=generator.device).random_(
            generator=generator
        )
    seed = int(torch.randint(2**62, (), generator=generator))
    # On a CPU, NumPy is twice as fast as torch.
    bits = np.random.SFC64(seed).random_raw(count) >> np.uint64(1)
    return torch.from_numpy(bits.view(np.int64))


def _scaled(bits: Tensor, sizes: Tensor | int) -> Tensor:
    """Scale 31 random bits to 0..sizes-1, in place. No probability is off by more than 2**-31."""
    return bits.mul_(sizes).bitwise_right_shift_(31)
