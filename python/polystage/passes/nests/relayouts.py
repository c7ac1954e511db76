"""Relayout nests: copies that ``map-banks`` writes and ``stage`` keeps or drops."""

from torch_mlir import ir

from polystage.analysis.implementation import ATTRIBUTE, RELAYOUT
from polystage.analysis.values import producer


def is_relayout(loop: ir.Operation) -> bool:
    """Whether the nest only brings an array into another layout."""
    if not is_moved(loop):
        return False
    load, store = (op for op in innermost(loop) if op.name in ("affine.load", "affine.store"))
    shapes = [ir.MemRefType(array.type).shape for array in (load.operands[0], store.operands[1])]
    return load.attributes["map"] == store.attributes["map"] and shapes[0] == shapes[1]


def is_moved(loop: ir.Operation) -> bool:
    """Whether the nest is a copy by a transfer, whatever lanes both ends have."""
    return ATTRIBUTE in loop.attributes and loop.attributes[ATTRIBUTE] == RELAYOUT.to_attribute()


def drop_relayout(loop: ir.Operation) -> None:
    """Erase a relayout nest and its copy; what read the copy reads the array that it was made from."""
    body = innermost(loop)
    source = next(op.operands[0] for op in body if op.name == "affine.load")
    copy = next(op.operands[1] for op in body if op.name == "affine.store")
    loop.erase()
    copy.replace_all_uses_with(source)
    owner = producer(copy)
    assert owner is not None
    owner.erase()


def innermost(loop: ir.Operation) -> list[ir.Operation]:
    """Operations of the innermost block of a perfect nest."""
    operations = [view.operation for view in loop.regions[0].blocks[0].operations]
    return innermost(operations[0]) if operations[0].name == "affine.for" else operations
