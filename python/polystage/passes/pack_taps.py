"""Lay taps of a kernel across the lanes that few channels leave idle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from polystage.analysis.compulsory import PADDING, compulsory, macs, padding
from polystage.analysis.implementation import ATTRIBUTE, RELAYOUT
from polystage.analysis.index_boxes import Box, without
from polystage.analysis.nests import Linear, Nest, main_function
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine
from polystage.machine import Machine, of_module
from polystage.passes.banks.taps import Packing, Source, source_of, taps_of
from polystage.passes.nests.array_uses import readable_nests
from polystage.passes.nests.load_function import (
    Argument,
    described,
    entries_of,
    load_or_new,
    text_of,
    with_arguments,
    with_results,
)
from polystage.pipeline import Pass, PassContext, option

_ROOM = 2 / 3
"""Part of the scratchpad that an image and the rows that it is made of may take."""


@dataclass(frozen=True)
class PackTaps(Pass):
    """Lay taps of a kernel across the lanes that few channels leave idle.

    The matrix engine sums over lanes. The first convolution of an image model has three channels, so that each product
    fills three lanes and there is one for every tap. Of a strided kernel the rows of the image that one tap reads and
    those of the next are others: they can lie in other lanes, and the products of several taps are one.

    Before, with a stride of 2:

    ```mlir
    ... %y[%m, %i, %j] += %w[%m, %c, %r, %s] * %x[%c, 2 * %i + %r, 2 * %j + %s]            // %c < 3, %r < 7
    ```

    After, two taps beside each other; `@load` makes `%v` of `%w`, the eighth tap is zero:

    ```mlir
    ... %u[%c, %i, %j] = %x[%c, 2 * %i, %j]
    ... %u[%c + 3, %i, %j] = %x[%c, 2 * %i + 1, %j]
    ... %y[%m, %i, %j] += %v[%m, %c, %r, %s] * %u[%c, %i + %r, 2 * %j + %s]                // %c < 6, %r < 4
    ```

    Taps whose distance is a multiple of the stride have rows in common. Where there is room for both, these are read
    once, and copied on chip to the lanes of each tap by a transfer (`npu.implementation = {kind = "relayout"}`):

    ```mlir
    ... %v[%c, %i, %j] = %x[%c, 2 * %i, %j]
    ... %u[%c, %i, %j] = %v[%c, %i, %j]
    ... %u[%c + 6, %i, %j] = %v[%c, %i + 1, %j]                                            // the tap of %r = 2
    ```

    As many taps are packed as leave the fewest products, within the lanes, the bytes that are read twice and the
    products with zeros that the options allow. A kernel is packed where its image is an argument or a padded copy of
    one, which nothing else reads, and its weight is a parameter.

    Requires: affine normal form with linear accesses (`refine-domains`), `polystage.target`.

    Refuses: nothing; what it cannot read stays for `map-banks` to report.

    Statistics:
        packed: contractions of which taps were packed
        bytes: of arguments, read again for that
        products: with a weight of zero
    """

    strategy: str = option("pack", choices=("off", "pack"), help="off: taps stay one after another")
    dram: float = option(0.01, help="most bytes read again, as part of the compulsory ones")
    rows: str = option(
        "copied",
        choices=("read", "copied"),
        help="copied: rows that several taps need are read once and copied on chip, where there is room; read: again",
    )
    padding: float = option(0.015, help="most products with zeros, as part of all products")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Pack the taps of one contraction after another."""
        if self.strategy == "off":
            return
        bytes_left = self.dram * compulsory(op).total
        products_left = self.padding * macs(op)
        while (found := self._next(op, bytes_left, products_left)) is not None:
            packing, source = found
            again = packing.read(source.bytes) - source.bytes
            bytes_left, products_left = bytes_left - again, products_left - packing.padding
            ctx.statistic("packed")
            ctx.statistic("bytes", again)
            ctx.statistic("products", packing.padding)
            function = main_function(op)
            zeros = ir.IntegerAttr.get(ir.IntegerType.get_signless(64, op.context), padding(function) + packing.padding)
            function.attributes[PADDING] = zeros
            with op.context, packing.taps.nest.op.location:
                _Packer(op, packing, source).write()

    def _next(self, op: ir.Operation, most_bytes: float, most_products: float) -> "tuple[Packing, Source] | None":
        """The first kernel that can be packed, as it is best packed; none that is packed has taps left."""
        nests = list(readable_nests(main_function(op)))
        shared = (False, True) if self.rows == "copied" else (False,)
        for nest in nests:
            for packing, source in _packings(nest, nests, of_module(op), shared):
                again = packing.read(source.bytes) - source.bytes
                if again <= most_bytes and packing.padding <= most_products:
                    return packing, source
        return None


def _packings(
    nest: Nest, nests: Sequence[Nest], machine: Machine, shared: Sequence[bool]
) -> list[tuple[Packing, Source]]:
    """What can be done with a nest, the fewest products first, then the fewest bytes."""
    found: list[tuple[Packing, Source]] = []
    for taps in taps_of(nest):
        source = source_of(taps, nests)
        most = min(machine.lanes // taps.channels, taps.taps)
        if source is not None:
            packings = [Packing(taps, count, shared=each) for count in range(2, most + 1) for each in shared]
            found += [(packing, source) for packing in packings]
    found = [each for each in found if _useful(each[0], machine)]
    return sorted(found, key=lambda each: (each[0].steps / each[0].taps.taps, each[0].read(each[1].bytes)))


def _useful(packing: Packing, machine: Machine) -> bool:
    """Whether a packing saves products; where rows are copied on chip, whether they are, and find room for it."""
    if packing.steps == packing.taps.taps:
        return False
    room = _ROOM * machine.usable_bytes_per_lane
    return not packing.shared or (len(packing.groups) < packing.count and packing.bytes_per_lane <= room)


class _Packer:
    """Writes one packing."""

    def __init__(self, module: ir.Operation, packing: Packing, source: Source) -> None:
        self.module, self.packing, self.source, self.taps = module, packing, source, packing.taps
        self.machine = of_module(module)
        self.image, self.weight = self.taps.image.array, self.taps.weight.array

    def write(self) -> None:
        """Write the lanes' image and weight and the contraction over them; what they replace goes."""
        nest = self.taps.nest.op
        with ir.InsertionPoint(nest):
            load = self._contraction(self._image())
        for old in (self.taps.nest, *self.source.fills, self.source.copy):
            if old is not None:
                old.op.erase()
        if (alloc := producer(self.image)) is not None:
            alloc.erase()
        self._pack_weight(load)

    # the image

    def _image(self) -> ir.Value:
        """The image as the lanes read it, filled and copied from its argument."""
        type_, taps = ir.MemRefType(self.image.type), self.taps
        shape = list(type_.shape)
        shape[taps.channel_dim], shape[taps.row] = self.packing.count * taps.channels, self.packing.rows
        image = affine.alloc(ir.MemRefType.get(shape, type_.element_type), f"{array_name(self.image)}.taps")
        if not self.packing.shared:
            self._read(image, range(self.packing.count), self.packing.rows)
            return image
        groups = self.packing.groups
        shape[taps.channel_dim] = len(groups) * taps.channels
        shape[taps.row] += max(self.packing.source(group)[1] for group in range(self.packing.count))
        rows = affine.alloc(ir.MemRefType.get(shape, type_.element_type), f"{array_name(self.image)}.rows")
        self._read(rows, groups, shape[taps.row])
        for group in range(self.packing.count):
            first, shift = self.packing.source(group)
            self._shift(rows, groups.index(first), shift, image, group)
        return image

    def _read(self, image: ir.Value, groups: Sequence[int], rows: int) -> None:
        """Fill an image of some groups, and copy them from the argument."""
        parts = [self._part(group, place, rows) for place, group in enumerate(groups)]
        whole = tuple((0, extent - 1) for extent in ir.MemRefType(image.type).shape)
        for box in self._empty([part.box for part in parts], whole):
            self._fill(image, box)
        for part in parts:
            self._copy(image, part)

    def _shift(self, rows: ir.Value, place: int, shift: int, image: ir.Value, group: int) -> None:
        """Copy the rows of a group, from ``shift`` on, to the lanes of another one."""
        taps = self.taps
        box = [(0, extent - 1) for extent in ir.MemRefType(image.type).shape]
        box[taps.channel_dim] = group * taps.channels, (group + 1) * taps.channels - 1
        extents, access = _over(box)
        read = list(access.results)
        read[taps.channel_dim] = read[taps.channel_dim] + (place - group) * taps.channels
        read[taps.row] = read[taps.row] + shift
        with affine.nest(extents, {ATTRIBUTE: RELAYOUT.to_attribute()}) as ivs:
            affine.store(affine.load(rows, ir.AffineMap.get(len(ivs), 0, read), ivs), image, access, ivs)

    def _empty(self, boxes: Sequence[Box], whole: Box) -> Iterator[Box]:
        """Disjoint boxes to be filled before groups are copied into ``boxes``.

        Where instructions cannot begin at the lane of a group, its first and last rows are filled with all others'.
        """
        channel, lanes = self.taps.channel_dim, self.taps.channels
        apart = all(box[channel][0] % self.machine.start_multiple(lanes) == 0 for box in boxes)
        least, most = (min, max) if apart else (max, min)
        rows = [(least(low for low, _ in spans), most(high for _, high in spans)) for spans in zip(*boxes, strict=True)]
        middle = tuple(whole[dim] if dim == channel else span for dim, span in enumerate(rows))
        yield from without(whole, middle)
        for box in boxes if apart else ():
            yield from without((*middle[:channel], box[channel], *middle[channel + 1 :]), box)

    def _part(self, group: int, place: int, most: int) -> "_Part":
        """What the argument gives to a group in lanes from ``place`` groups on, which have so many rows."""
        taps, packing, copy = self.taps, self.packing, self.source.copy
        shape = ir.MemRefType(self.image.type).shape
        box = [(0, extent - 1) for extent in shape]
        if copy is not None:
            box = [index.span(copy.extents) for index in copy.store.access.indices]
        low, high = box[taps.row]
        first, pitch = packing.first(group), packing.pitch
        rows = max(0, -((first - low) // pitch)), min(most - 1, (high - first) // pitch)
        start = place * taps.channels
        box[taps.row], box[taps.channel_dim] = rows, (start, start + taps.channels - 1)
        return _Part(tuple(box), first + pitch * rows[0])

    def _fill(self, image: ir.Value, box: Box) -> None:
        value = _zero(image) if self.source.fill is None else self.source.fill
        extents, access = _over(box)
        with affine.nest(extents) as ivs:
            affine.store(value, image, access, ivs)

    def _copy(self, image: ir.Value, part: "_Part") -> None:
        taps, copy = self.taps, self.source.copy
        extents, access = _over(part.box)
        own = list(access.results)
        shift = part.row - part.box[taps.row][0] * self.packing.pitch
        at = [
            own[dim] * self.packing.pitch + shift
            if dim == taps.row
            else own[dim] - part.box[dim][0]
            if dim == taps.channel_dim
            else own[dim]
            for dim in range(len(own))
        ]  # the element of the image that an element of the box is
        array = self.image
        if copy is not None:
            array, at = copy.loads[0].array, [_at(index, copy, at) for index in copy.loads[0].indices]
        with affine.nest(extents) as ivs:
            read = ir.AffineMap.get(len(ivs), 0, at)
            affine.store(affine.load(array, read, ivs), image, access, ivs)

    # the weight

    def _pack_weight(self, load: ir.Operation) -> None:
        """`@load` makes the new weight, and the new contraction, which reads the old one as yet, reads that."""
        taps, packing = self.taps, self.packing
        main = main_function(self.module)
        entries = entries_of(main)
        entry, old = entries[self.weight], ir.MemRefType(self.weight.type)
        name = f"{text_of(entry, 'name')}.taps"
        shape = list(old.shape)
        shape[taps.weight_channel], shape[taps.weight_tap] = packing.count * taps.channels, packing.steps
        new = ir.MemRefType.get(shape, old.element_type)
        function, by_name = with_results(
            load_or_new(self.module), {self.weight: entry}, [Argument(new, described(name, "output"))]
        )
        with ir.InsertionPoint.at_block_terminator(function.regions[0].blocks[0]):
            self._make_weight(by_name[text_of(entry, "name")], by_name[name])
        others = any(use.owner.operation != load for use in self.weight.uses)
        arguments: list[Argument] = []
        for array, each in entries.items():
            if array != self.weight or others:
                arguments.append(Argument(array.type, each, array))
            if array == self.weight:
                arguments.append(Argument(new, described(name, text_of(entry, "kind")), None if others else array))
        for array, each in entries_of(with_arguments(main, arguments)).items():
            if text_of(each, "name") == name:
                load.operands[0] = array

    def _make_weight(self, old: ir.Value, new: ir.Value) -> None:
        taps, packing = self.taps, self.packing
        shape = ir.MemRefType(new.type).shape
        if packing.padding:
            zero = _zero(new)
            extents, access = _over([(0, extent - 1) for extent in shape])
            with affine.nest(extents) as ivs:
                affine.store(zero, new, access, ivs)
        for group in range(packing.count):
            box = [(0, extent - 1) for extent in shape]
            start = group * taps.channels
            box[taps.weight_channel] = start, start + taps.channels - 1
            box[taps.weight_tap] = 0, (taps.taps - 1 - group) // packing.count
            extents, access = _over(box)
            read = list(access.results)
            read[taps.weight_channel] = read[taps.weight_channel] - start
            read[taps.weight_tap] = read[taps.weight_tap] * packing.count + group
            with affine.nest(extents) as ivs:
                value = affine.load(old, ir.AffineMap.get(len(ivs), 0, read), ivs)
                affine.store(value, new, access, ivs)

    # the contraction

    def _contraction(self, image: ir.Value) -> ir.Operation:
        """The contraction over the lanes' image; returns its load of the weight, as yet from the old one."""
        taps, nest = self.taps, self.taps.nest
        extents = list(nest.extents)
        extents[taps.channel], extents[taps.tap] = self.packing.count * taps.channels, self.packing.steps
        kept = [loop for loop in range(len(extents)) if extents[loop] > 1]
        rows = list(taps.image.indices)
        rows[taps.row] = self.packing.row
        accesses = {nest.store.array: nest.store.access.indices, self.image: rows, self.weight: taps.weight.indices}
        attributes = {name: nest.op.attributes[name] for name in nest.op.attributes}
        values: dict[ir.Value, ir.Value] = {}
        weight: ir.Operation | None = None
        with affine.nest([extents[loop] for loop in kept], attributes) as ivs:
            for op in _body(nest.op):
                if op.name not in ("affine.load", "affine.store"):
                    _clone(op, values)
                    continue
                array = op.operands[op.name == "affine.store"]
                access = ir.AffineMap.get(len(ivs), 0, [_expr(index, kept) for index in accesses[array]])
                if op.name == "affine.store":
                    affine.store(values[op.operands[0]], array, access, ivs)
                else:
                    values[op.result] = affine.load(image if array == self.image else array, access, ivs)
                    weight = producer(values[op.result]) if array == self.weight else weight
        assert weight is not None
        return weight


@dataclass(frozen=True)
class _Part:
    """A box of the lanes' image, and the row of the image that its first row is."""

    box: Box
    row: int


def _over(box: Sequence[tuple[int, int]]) -> tuple[list[int], ir.AffineMap]:
    """Loops over a box, one for every dimension of more than one index, and the access to their element."""
    extents = [high - low + 1 for low, high in box]
    kept = [dim for dim, extent in enumerate(extents) if extent > 1]
    results = [
        ir.AffineExpr.get_dim(kept.index(dim)) + low if dim in kept else ir.AffineExpr.get_constant(low)
        for dim, (low, _) in enumerate(box)
    ]
    return [extents[dim] for dim in kept], ir.AffineMap.get(len(kept), 0, results)


def _expr(form: Linear, kept: Sequence[int]) -> ir.AffineExpr:
    """A linear form over the loops that are kept; the others take one trip."""
    value = ir.AffineExpr.get_constant(form.const)
    for dim, loop in enumerate(kept):
        value = value + ir.AffineExpr.get_dim(dim) * form.dims[loop]
    return value


def _at(index: Linear, copy: Nest, element: Sequence[ir.AffineExpr]) -> ir.AffineExpr:
    """What a copy reads along a dimension, in terms of the element of its target."""
    value = ir.AffineExpr.get_constant(index.const)
    for loop in index.support:
        for dim, stored in enumerate(copy.store.access.indices):
            if loop in stored.support:
                value = value + (element[dim] - stored.const) * index.dims[loop]
    return value


def _body(loop: ir.Operation) -> list[ir.Operation]:
    """The operations of the innermost loop, without its end."""
    body = [view.operation for view in loop.regions[0].blocks[0].operations]
    return _body(body[0]) if body[0].name == "affine.for" else body[:-1]


def _clone(op: ir.Operation, values: dict[ir.Value, ir.Value]) -> None:
    copy = op.clone().operation
    for number, operand in enumerate(op.operands):
        copy.operands[number] = values.get(operand, operand)
    values[op.result] = copy.result


def _zero(like: ir.Value) -> ir.Value:
    """Zero in the element type of an array."""
    element = ir.MemRefType(like.type).element_type
    return ir.Operation.create("arith.constant", [element], [], {"value": ir.FloatAttr.get(element, 0.0)}).result
