"""Writes the products of a contraction: PSUM groups, accumulation, evacuation (mechanism of ``lower-to-npu``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from polystage.analysis.implementation import Implementation
from polystage.analysis.nests import Access, Load, Nest
from polystage.analysis.reductions import product_of, reduction_of
from polystage.dialects import affine, npu
from polystage.machine import Machine
from polystage.passes._emission import Emitter, chunked, fit, instruction_loops


@dataclass(frozen=True)
class _Roles:
    """Loops of a contraction: ``columns`` are moved, ``others`` run around PSUM groups, ``steps`` accumulate."""

    stationary: Access
    moving: Access
    columns: tuple[int, ...]
    others: tuple[int, ...]
    steps: tuple[int, ...]


def _roles(nest: Nest, implementation: Implementation) -> _Roles:
    reduction = reduction_of(nest)
    product = product_of(nest, reduction) if reduction is not None else None
    assert product is not None
    factors = [node.access for node in (nest.nodes[product.lhs], nest.nodes[product.rhs]) if isinstance(node, Load)]
    stationary, moving = factors[implementation.stationary], factors[1 - implementation.stationary]
    special = {implementation.lane, implementation.rows}
    loops = [d for d in range(len(nest.extents)) if d not in special]
    columns = tuple(d for d in loops if d in moving.support & nest.parallel and d not in stationary.support)
    steps = tuple(d for d in loops if d not in nest.parallel)
    others = tuple(d for d in loops if d not in columns and d not in steps)
    return _Roles(stationary, moving, columns, others, steps)


def write_contraction(nest: Nest, implementation: Implementation, machine: Machine) -> None:
    """Products accumulated in PSUM, then added to the result tile."""
    roles = _roles(nest, implementation)
    whole, cut, size = fit(nest, roles.columns, machine.max_moving_f32, machine.matrix.max_free_dims)
    around = [*roles.others, *(d for d in roles.columns if d not in whole and d != cut)]
    emitter = Emitter(nest, implementation.lane)

    def body() -> None:
        _accumulate(emitter, implementation, roles)

    chunked(
        emitter,
        around,
        [*whole, *([implementation.rows] if implementation.rows is not None else [])],
        (cut, size),
        (),
        body,
    )


def _accumulate(emitter: Emitter, implementation: Implementation, roles: _Roles) -> None:
    nest, parts = emitter.nest, dict(emitter.parts)
    rows = 1 if implementation.rows is None else nest.extents[implementation.rows]
    columns = [d for d in roles.columns if parts[d].size > 1]
    free = [parts[d].size for d in columns]
    dim = ir.AffineExpr.get_dim
    psum = affine.alloc(ir.MemRefType.get([rows, *free], ir.F32Type.get(), memory_space=npu.psum()), "psum")
    steps = prod(nest.extents[d] for d in roles.steps)
    evacuated = {columns[k]: k + 1 for k in range(len(columns))}
    if implementation.rows is not None:
        evacuated[implementation.rows] = 0
    plain = [dim(k) for k in range(len(columns) + 1)]
    symbols = emitter.symbols()
    drained = ir.AffineMap.get(len(plain), len(symbols), plain)
    if steps > 1:
        npu.memset(psum, symbols, sizes=[rows, *free], maps=[drained], value=0.0)
    with instruction_loops(nest, roles.steps) as stepped:
        emitter.parts = {**parts, **stepped}
        _matmul(emitter, implementation, roles, columns, psum, accumulate=steps > 1)
    emitter.parts = parts
    result = emitter.access_map(nest.store.access, evacuated, len(plain))
    npu.tensor_tensor(
        nest.store.array, nest.store.array, psum, symbols,
        sizes=[rows, *free], maps=[result, result, drained], op="add",
    )  # fmt: skip


def _matmul(
    emitter: Emitter,
    implementation: Implementation,
    roles: _Roles,
    columns: Sequence[int],
    psum: ir.Value,
    *,
    accumulate: bool,
) -> None:
    nest = emitter.nest
    positions: dict[int, int] = {loop: k + 2 for k, loop in enumerate(columns)}
    if implementation.lane is not None:
        positions[implementation.lane] = 0
    if implementation.rows is not None:
        positions[implementation.rows] = 1
    rank = len(columns) + 2
    symbols = emitter.symbols()
    rows = 1 if implementation.rows is None else nest.extents[implementation.rows]
    dim = ir.AffineExpr.get_dim
    maps = [
        ir.AffineMap.get(rank, len(symbols), [dim(k) for k in range(1, rank)]),
        emitter.access_map(roles.stationary, positions, rank),
        emitter.access_map(roles.moving, positions, rank),
    ]
    sizes = [emitter.lanes, rows, *(emitter.parts[d].size for d in columns)]
    npu.matmul(psum, roles.stationary.array, roles.moving.array, symbols, sizes=sizes, maps=maps, accumulate=accumulate)
