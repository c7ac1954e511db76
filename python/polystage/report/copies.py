"""What became of each copy nest: which move removed it, or why it stays. Read from the IR before and after."""

from collections import Counter
from collections.abc import Iterator, Mapping

from torch_mlir import ir

from polystage.analysis.copies import CopyNest, copy_nests
from polystage.analysis.nests import main_function, top_nests
from polystage.analysis.values import array_name
from polystage.report.report import Copies, KeptCopy, Moves

ORIGIN, CERTIFICATES, KEPT = "polystage.origin", "polystage.certificates", "polystage.kept"


def eliminated(affine: ir.Operation, optimized: ir.Operation) -> Copies:
    """Compare the copy nests of the lowered model with those that inference still runs.

    A nest is known by its origin: the array that it stores to and its number among the nests that do.
    """
    with affine.context:
        found = dict(_with_origins(main_function(affine)))
        kept = tuple(_kept(main_function(optimized)))
    staying = {origin for origin, _ in kept}
    removed_by = _moves(optimized)
    moves: dict[str, list[CopyNest]] = {}
    for origin, nest in found.items():
        if origin not in staying:
            move = removed_by.get(origin, removed_by.get(nest.target, "unread"))
            moves.setdefault(move, []).append(nest)
    gone = [nest for nests in moves.values() for nest in nests]
    return Copies(
        found=len(found),
        eliminated=len(gone),
        bytes_found=sum(nest.bytes for nest in found.values()),
        bytes_eliminated=sum(nest.bytes for nest in gone),
        by_move={move: Moves(len(nests), sum(nest.bytes for nest in nests)) for move, nests in moves.items()},
        kept=tuple(copy for _, copy in kept),
    )


def _with_origins(function: ir.Operation) -> Iterator[tuple[str, CopyNest]]:
    copies = {nest.op: nest for nest in copy_nests(function)}
    stores: Counter[str] = Counter()
    for loop in top_nests(function):
        target = _stored(loop)
        if loop in copies:
            yield f"{target}#{stores[target]}", copies[loop]
        stores[target] += 1


def _stored(loop: ir.Operation) -> str:
    """Name of the array that a nest stores to."""
    body = [op.operation for op in loop.regions[0].blocks[0].operations]
    for op in body:
        if op.name in ("affine.store", "memref.store"):
            return array_name(op.operands[1])
    return next(_stored(op) for op in body if op.name == "affine.for")


def _kept(function: ir.Operation) -> Iterator[tuple[str, KeptCopy]]:
    for counted, nest in _with_origins(function):
        attributes = nest.op.attributes
        origin = ir.StringAttr(attributes[ORIGIN]).value if ORIGIN in attributes else counted
        reason = ir.StringAttr(attributes[KEPT]).value if KEPT in attributes else "copies are not eliminated"
        yield origin, KeptCopy(nest.source, nest.target, nest.bytes, reason)


def _moves(optimized: ir.Operation) -> Mapping[str, str]:
    """What removed a copy, by its origin and by the name of its target: a certificate's kind, or ``hoist``."""
    moves = dict.fromkeys(_load_arrays(optimized), "hoist")
    if CERTIFICATES in optimized.attributes:
        entries = [ir.DictAttr(entry) for entry in ir.ArrayAttr(optimized.attributes[CERTIFICATES])]
        for entry in entries:
            for key in ("array", "origin"):
                moves[ir.StringAttr(entry[key]).value] = ir.StringAttr(entry["kind"]).value
    return moves


def _load_arrays(optimized: ir.Operation) -> set[str]:
    """Names that the arrays computed by `@load` had in inference."""
    for each in optimized.regions[0].blocks[0].operations:
        op = each.operation
        if op.name == "func.func" and ir.StringAttr(op.attributes["sym_name"]).value == "load":
            return {_stored(nest).removeprefix("hoisted.") for nest in top_nests(op)}
    return set()
