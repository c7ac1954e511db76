"""Puts arrays on chip: types, copies of arguments, transfers between memories (mechanism of ``stage``)."""

from collections.abc import Iterator, Mapping, Sequence

from torch_mlir import ir

from polystage.analysis.index_boxes import Box, common
from polystage.analysis.nests import Linear, Load, Nest
from polystage.analysis.values import array_name, producer
from polystage.dialects import affine, npu
from polystage.passes.nests.ir import nest_of, op_after
from polystage.passes.staging.schedule import Resident
from polystage.passes.staging.slices import Slice, pieces
from polystage.passes.staging.tiled_nests import KIND, Form, access_map


def place_slice(each: Slice, schedule: Sequence[ir.Operation]) -> ir.Value:
    """The memory of a part of an array, before the first nest that it is there for, with what comes from DRAM."""
    before = schedule[each.first]
    element = ir.MemRefType(each.array.type).element_type
    type_ = each.layout.of_type(ir.MemRefType.get(each.shape, element), on_chip=True)
    with ir.InsertionPoint(before), before.location:
        memory = affine.alloc(type_, f"{array_name(each.array)}.slice")
        if each.loaded is not None:
            _copy(each.array, each.loaded, memory, each.local(each.loaded))
    return memory


def place(
    resident: Resident, schedule: Sequence[ir.Operation], slices: Mapping[Slice, ir.Value], inside: Box | None
) -> ir.Value:
    """Give the array its place on chip during its interval, which is returned.

    An intermediate that nobody uses outside of the interval just lies there; of others the nests of the interval use a
    copy, which is loaded before the first of them and stored after the last where that is asked for, what ``slices``
    have of the array from and to their memory. Only what is ``inside`` of a border is stored.
    """
    type_ = resident.layout.of_type(ir.MemRefType(resident.array.type), on_chip=True)
    own = schedule[resident.first : resident.last + 1]
    first, op = own[0], producer(resident.array)
    uses = [use for use in resident.array.uses if nest_of(use.owner.operation) in own]
    if op is not None and len(uses) == sum(1 for _ in resident.array.uses):
        resident.array.set_type(type_)
        op.move_before(first)  # lives begin at the alloc
        return resident.array
    with ir.InsertionPoint(first), first.location:
        copy = affine.alloc(type_, f"{array_name(resident.array)}.resident")
        for use in uses:
            use.owner.operands[use.operand_number] = copy
        if resident.loaded is not None:
            for outside, there, box in _ends(resident, resident.loaded, slices, load=True):
                _copy(outside, there, copy, box)
    if resident.stored is not None:
        with ir.InsertionPoint(op_after(own[-1])), own[-1].location:
            stored = resident.stored if inside is None else common(resident.stored, inside)
            for outside, there, box in _ends(resident, stored, slices, load=False) if stored is not None else ():
                _copy(copy, box, outside, there)
    return copy


def put_late(array: ir.Value) -> None:
    """Let the life of an array begin where its first use is: in the tail of a group, behind the loops of its steps."""
    op = ir.OpResult(array).owner.operation
    users = {nest_of(use.owner.operation) for use in array.uses}
    op.move_before(next(each.operation for each in op.block.operations if each.operation in users))


def _ends(
    resident: Resident, box: Box, slices: Mapping[Slice, ir.Value], *, load: bool
) -> Iterator[tuple[ir.Value, Box, Box]]:
    """Where the parts of a box of the array are outside of its copy, and which parts of the array they are."""
    at = resident.first if load else resident.last
    own = [each for each in slices if each.array == resident.array and each.during(at, at)]
    for each, part in pieces(box, own, load=load):
        yield (resident.array, part, part) if each is None else (slices[each], each.local(part), part)


def _copy(source: ir.Value, read: Box, target: ir.Value, written: Box) -> None:
    """A transfer of a box of one array to a box of another, of the same extents."""
    kept = [k for k, (low, high) in enumerate(read) if high > low]
    with affine.nest([read[k][1] - read[k][0] + 1 for k in kept], {KIND: ir.StringAttr.get("transfer")}) as ivs:
        iv = dict(zip(kept, ivs, strict=True))
        there, here = (
            access_map([Form(low).add(iv.get(k), 1) for k, (low, _) in enumerate(box)]) for box in (read, written)
        )
        affine.store(affine.load(source, *there), target, *here)


def moves_only(nest: Nest) -> bool:
    """Whether the nest only moves an array between memories, so that it is one transfer as it stands."""
    node = nest.nodes[nest.store.value]
    if len(nest.nodes) != 1 or not isinstance(node, Load) or nest.store.indirect:
        return False
    memories = {npu.memory_of(array.type) for array in (node.access.array, nest.store.array)}
    return memories == {"dram", "sbuf"}


def write_move(nest: Nest) -> None:
    """Write a nest that only moves elements as a transfer; its symbols are the loops around."""
    node = nest.nodes[nest.store.value]
    assert isinstance(node, Load)
    kept = [loop for loop, extent in enumerate(nest.extents) if extent > 1]
    with affine.nest([nest.extents[loop] for loop in kept], {KIND: ir.StringAttr.get("transfer")}) as ivs:
        iv = dict(zip(kept, ivs, strict=True))
        source, target = (
            (access.array, *access_map([_form(index, nest.symbols, iv) for index in access.indices]))
            for access in (node.access, nest.store.access)
        )
        affine.store(affine.load(*source), *target)


def _form(index: Linear, symbols: Sequence[ir.Value], iv: Mapping[int, ir.Value]) -> Form:
    form = Form(index.const)
    for symbol, factor in zip(symbols, index.symbols, strict=True):
        form.add(symbol, factor)
    for loop, factor in enumerate(index.dims):
        form.add(iv.get(loop), factor)
    return form


def write_transfer(nest: Nest) -> None:
    """Mark the nest as a transfer: a copy of it, as the caller erases the nest that it has staged."""
    clone = nest.op.clone()
    clone.attributes[KIND] = ir.StringAttr.get("transfer")
    if "npu.implementation" in clone.attributes:
        del clone.attributes["npu.implementation"]
