"""Which taps of a kernel can lie across the lanes, and what they are read from (analysis of ``pack-taps``)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, gcd, prod

from torch_mlir import ir

from polystage.analysis.nests import Access, Constant, Linear, Load, Nest
from polystage.analysis.reductions import product_of, reduction_of
from polystage.analysis.values import argument_text, producer
from polystage.dialects.npu import element_bytes


@dataclass(frozen=True)
class Taps:
    """A contraction over few channels and the taps of a kernel.

    It reads ``image[.., channel, .., stride * y + step * tap + const, ..]`` and ``weight[.., channel, .., tap, ..]``;
    ``row`` and ``channel_dim`` are those dimensions of the image, ``weight_tap`` and ``weight_channel`` of the weight.
    """

    nest: Nest
    image: Access
    weight: Access
    channel: int
    tap: int
    row: int
    channel_dim: int
    weight_tap: int
    weight_channel: int

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return self.nest.extents[self.channel]

    @property
    def taps(self) -> int:
        """How many taps there are along the row dimension."""
        return self.nest.extents[self.tap]

    @property
    def position(self) -> int:
        """The parallel loop that moves along the rows."""
        (loop,) = self.image.indices[self.row].support - {self.tap}
        return loop


@dataclass(frozen=True)
class Packing:
    """``count`` taps beside each other, ``steps`` times: tap ``count * q + p`` is in lane group ``p`` at step ``q``.

    Group ``p`` has of the image every ``pitch``-th row from ``first + step * p`` on, ``rows`` of them. ``shared``: what
    several groups have is read once, and copied on chip to the lanes of each.
    """

    taps: Taps
    count: int
    shared: bool

    @property
    def steps(self) -> int:
        """Trips of the loop that is left of the taps."""
        return ceil(self.taps.taps / self.count)

    @property
    def pitch(self) -> int:
        """Rows of the image from one row of a group to the next."""
        stride, step = self._factors
        return gcd(stride, step * self.count) if self.steps > 1 else stride

    @property
    def rows(self) -> int:
        """Rows of a group."""
        return self.row.span(self._extents)[1] + 1

    @property
    def row(self) -> Linear:
        """Where the contraction reads a group, over its old loops; the tap loop takes ``steps`` trips."""
        stride, step = self._factors
        factors = {self.taps.position: stride // self.pitch, self.taps.tap: step * self.count // self.pitch}
        if self.steps == 1:
            del factors[self.taps.tap]
        return Linear(0, tuple(factors.get(loop, 0) for loop in range(len(self.taps.nest.extents))))

    def first(self, group: int) -> int:
        """Row of the image that row 0 of a group is."""
        return self.taps.image.indices[self.taps.row].const + self._factors[1] * group

    def source(self, group: int) -> tuple[int, int]:
        """The first group that has the rows of ``group``, and which of its rows is row 0."""
        step = self._factors[1]
        first = next(each for each in range(group + 1) if step * (group - each) % self.pitch == 0)
        return first, step * (group - first) // self.pitch

    @property
    def padding(self) -> int:
        """Multiply-accumulates with a weight of zero."""
        return (self.steps * self.count - self.taps.taps) * prod(self.taps.nest.extents) // self.taps.taps

    @property
    def groups(self) -> list[int]:
        """The groups that are read."""
        return (
            sorted({self.source(group)[0] for group in range(self.count)}) if self.shared else list(range(self.count))
        )

    def read(self, source: int) -> int:
        """Bytes that are read for all groups of a source of that many bytes."""
        return ceil(source * len(self.groups) / self.pitch)

    @property
    def bytes_per_lane(self) -> int:
        """Bytes of a lane that the groups take, and what is read for them where it is shared."""
        image = self.taps.image
        type_ = ir.MemRefType(image.array.type)
        others = [extent for dim, extent in enumerate(type_.shape) if dim not in (self.taps.row, self.taps.channel_dim)]
        shift = max(self.source(group)[1] for group in range(self.count))
        rows = 2 * self.rows + shift if self.shared else self.rows
        return rows * prod(others) * element_bytes(type_.element_type)

    @property
    def _factors(self) -> tuple[int, int]:
        dims = self.taps.image.indices[self.taps.row].dims
        return dims[self.taps.position], dims[self.taps.tap]

    @property
    def _extents(self) -> list[int]:
        extents = list(self.taps.nest.extents)
        extents[self.taps.tap] = self.steps
        return extents


@dataclass(frozen=True)
class Source:
    """Where the elements of an image come from: ``copy`` of an argument, and ``fill`` for the rest.

    Without a copy the image is an argument itself. ``bytes`` are those read of the argument.
    """

    copy: Nest | None
    fills: tuple[Nest, ...]
    fill: ir.Value | None
    bytes: int


def taps_of(nest: Nest) -> Iterator[Taps]:
    """The kernels' taps of a nest, by dimension of the image; the rows must not be its innermost dimension."""
    reduction = reduction_of(nest)
    product = None if reduction is None else product_of(nest, reduction)
    if product is None or nest.symbols:
        return
    loads = [node.access for node in (nest.nodes[product.lhs], nest.nodes[product.rhs]) if isinstance(node, Load)]
    for image, weight in (loads, loads[::-1]):
        if _is_parameter(weight.array):
            yield from _between(nest, image, weight)


def _between(nest: Nest, image: Access, weight: Access) -> Iterator[Taps]:
    reduced = frozenset(nest.reduced)
    shape = ir.MemRefType(image.array.type).shape
    inner = max((dim for dim, extent in enumerate(shape) if extent > 1), default=0)
    for row, index in enumerate(image.indices[:inner]):
        own, moving = index.support & reduced, index.support - reduced
        if len(own) != 1 or len(moving) != 1 or min(index.dims) < 0 or index.const < 0:
            continue
        (tap,) = own
        for channel in sorted(reduced - own):
            places = [_plain_dim(each, loop) for each, loop in ((image, channel), (weight, channel), (weight, tap))]
            channel_dim, weight_channel, weight_tap = places
            alone = all(tap not in other.support for dim, other in enumerate(image.indices) if dim != row)
            if channel_dim is None or weight_channel is None or weight_tap is None or not alone:
                continue
            if shape[channel_dim] == nest.extents[channel]:
                yield Taps(nest, image, weight, channel, tap, row, channel_dim, weight_tap, weight_channel)


def _plain_dim(access: Access, loop: int) -> int | None:
    """The dimension that a loop runs along by itself, from 0 in steps of 1."""
    dims = [dim for dim, index in enumerate(access.indices) if loop in index.support]
    if len(dims) != 1:
        return None
    index = access.indices[dims[0]]
    return dims[0] if index.const == 0 and len(index.support) == 1 and index.dims[loop] == 1 else None


def _is_parameter(array: ir.Value) -> bool:
    return producer(array) is None and argument_text(ir.BlockArgument(array), "polystage.kind") == "parameter"


def source_of(taps: Taps, nests: Sequence[Nest]) -> Source | None:
    """Where the image comes from, if it is read by this nest alone and made of an argument."""
    array = taps.image.array
    type_ = ir.MemRefType(array.type)
    readers = [nest for nest in nests for access in nest.loads if access.array == array]
    writers = [nest for nest in nests if nest.store.array == array]
    if readers != [taps.nest] or len(readers) + len(writers) != sum(1 for _ in array.uses):
        return None
    if producer(array) is None:
        given = argument_text(ir.BlockArgument(array), "polystage.kind") == "input" and not writers
        return Source(None, (), None, prod(type_.shape) * element_bytes(type_.element_type)) if given else None
    fills = tuple(nest for nest in writers if isinstance(nest.nodes[nest.store.value], Constant))
    copies = [nest for nest in writers if nest not in fills]
    values = {str(node.value) for nest in fills if isinstance(node := nest.nodes[nest.store.value], Constant)}
    if len(copies) != 1 or len(values) > 1 or not _copies_argument(copies[0], taps):
        return None
    moved = prod(copies[0].extents) * element_bytes(type_.element_type)
    return Source(copies[0], fills, _stored(fills[0].op) if fills else None, moved)


def _copies_argument(nest: Nest, taps: Taps) -> bool:
    """Whether a nest moves a box with all channels of an argument, along rows one by one."""
    if len(nest.nodes) != 1 or nest.symbols or nest.store.indirect or not nest.loads:
        return False
    (load,) = nest.loads
    stored = nest.store.access.indices
    plain = all(len(index.support) <= 1 and set(index.dims) <= {0, 1} for index in stored)
    every = stored[taps.channel_dim].span(nest.extents) == (0, taps.channels - 1)
    return producer(load.array) is None and plain and every and len(stored[taps.row].support) == 1


def _stored(loop: ir.Operation) -> ir.Value:
    """The value that a fill stores."""
    body = loop.regions[0].blocks[0].operations[0].operation
    return _stored(body) if body.name == "affine.for" else body.operands[0]
