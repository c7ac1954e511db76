"""Nests that only move data, and nests that only fill: what copy elimination starts from.

A *copy nest* loads an element and stores the same value: ``B[f(i)] = A[g(i)]``. A nest that also changes the element
type (``casts``) or stores a constant (``fills``) moves no data of another array unchanged, and is kept apart.

Not handled: gathers and scatters (which elements move is in the data), nests of more than one load or store.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal

from torch_mlir import ir

from polystage import poly
from polystage.analysis.values import before_casts, producer
from polystage.dialects import npu

Kind = Literal["identity", "permutation", "slice", "pad", "broadcast", "general"]


@dataclass(frozen=True)
class CopyNest:
    """``op``, the outermost loop, stores ``bytes`` of ``source`` to ``target``, by ``polystage.name``.

    ``kind`` is the first that fits: ``broadcast`` (an element goes to several places), ``pad`` (a part of the target is
    written: the inside of a padding, a piece of a concatenation), ``slice`` (a part of the source is read, with offsets
    and strides), ``identity`` and ``permutation`` (whole to whole; extents of 1 do not matter), ``general``
    (reshapes, reversals, rolls).
    """

    op: ir.Operation
    source: str
    target: str
    kind: Kind
    bytes: int
    load: poly.Access
    store: poly.Access


@dataclass(frozen=True)
class FillNest:
    """``op``, the outermost loop, stores one constant to ``bytes`` of ``target``."""

    op: ir.Operation
    target: str
    bytes: int


@dataclass(frozen=True)
class DataMovement:
    """The nests of a function that compute nothing, in program order."""

    copies: tuple[CopyNest, ...]
    casts: tuple[CopyNest, ...]
    fills: tuple[FillNest, ...]


def copy_nests(func: ir.Operation) -> tuple[CopyNest, ...]:
    """The copy nests of ``func``, in program order."""
    return data_movement(func).copies


def data_movement(func: ir.Operation) -> DataMovement:
    """Copies, casts and fills of ``func`` in affine normal form; about 0.1 ms a nest."""
    copies: list[CopyNest] = []
    casts: list[CopyNest] = []
    fills: list[FillNest] = []
    for statement in poly.statements(func):
        if not statement.loops or len(statement.writes) != 1 or len(statement.reads) > 1:
            continue
        if any(r.op.name.startswith("memref.") for r in (*statement.reads, *statement.writes)):
            continue
        (write,) = statement.writes
        between = [op.name for op in statement.body if op.name not in ("affine.load", "affine.store", "affine.yield")]
        if not between and not statement.reads and _is_constant(producer(write.op.operands[0])):
            fills.append(FillNest(statement.loops[0], write.access.array, _bytes_stored(write)))
        elif statement.reads and before_casts(write.op.operands[0]) == statement.reads[0].op.results[0]:
            (copies if not between else casts).append(_copy_nest(statement.loops[0], statement.reads[0], write))
    return DataMovement(tuple(copies), tuple(casts), tuple(fills))


def _is_constant(op: ir.Operation | None) -> bool:
    return op is not None and op.name == "arith.constant"


def _bytes_stored(write: poly.Reference) -> int:
    return poly.count(write.access.domain) * npu.element_bytes(_memref(write).element_type)


def _memref(reference: poly.Reference) -> ir.MemRefType:
    return ir.MemRefType(reference.op.operands[len(reference.op.results) == 0].type)


def _copy_nest(loop: ir.Operation, read: poly.Reference, write: poly.Reference) -> CopyNest:
    load, store = read.access, write.access
    kind = _kind(load, store, prod(_memref(read).shape), prod(_memref(write).shape))
    return CopyNest(loop, load.array, store.array, kind, _bytes_stored(write), load, store)


def _kind(load: poly.Access, store: poly.Access, source_elements: int, target_elements: int) -> Kind:
    """The kind of a copy, from its access functions and the sizes of its arrays."""
    loaded, stored = _selected_dimensions(load), _selected_dimensions(store)
    if stored is None and not poly.injective(store):
        return "general"
    points = poly.count(store.domain)
    varying = {name for name in store.domain.names if store.domain.extent(name) > 1}
    if varying - poly.used_dimensions(load):
        return "broadcast"
    if points < target_elements:
        return "pad"
    if loaded is None:
        return "general"
    if points < source_elements:
        return "slice"
    return "general" if stored is None else "identity" if loaded == stored else "permutation"


def _selected_dimensions(access: poly.Access) -> list[str] | None:
    """The dimensions of extent above 1 in the order of the indices, when each index is a constant or steps through one
    dimension of its own in increasing order, and none is missing; else None.
    """
    varying = {name for name in access.domain.names if access.domain.extent(name) > 1}
    selected: list[str] = []
    for index in poly.linear(access):
        if index is None:
            return None
        terms = [(name, factor) for name, factor in index.terms.items() if name in varying]
        if len(terms) > 1 or any(factor < 0 for _, factor in terms):
            return None
        selected += [name for name, _ in terms]
    return selected if sorted(selected) == sorted(varying) else None
