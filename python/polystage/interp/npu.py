"""Executes programs of the npu dialect, instruction by instruction, on memories with real addresses."""

from collections.abc import Callable, Sequence

import numpy as np
from torch_mlir import ir

from polystage import machine
from polystage.dialects import npu
from polystage.errors import UserError
from polystage.interp import matrix, vector
from polystage.interp.access import views
from polystage.interp.core import Decoder, Handler, Listener, Site, Step, describe
from polystage.interp.memory import Array
from polystage.interp.operands import access_of, elements_of, operand_of, site_of
from polystage.interp.plans import Compute
from polystage.interp.storage import Storage
from polystage.interp.transfers import Transfers

_PLANS = {**vector.PLANS, **matrix.PLANS}


def execute(
    module: ir.Operation | ir.OpView | ir.Module,
    args: Sequence[Array],
    *,
    listeners: Sequence[Listener] = (),
    shadow: bool = True,
) -> None:
    """Run ``@main`` of ``module`` on ``args``, one array per function argument; outputs are written in place.

    Arrays are bound without a copy: exact shape and dtype (bf16 as ml_dtypes.bfloat16, i1 as bool), C-contiguous.
    ``shadow`` looks for reads of bytes that were not written or were overwritten, and for races with transfers.
    Raises Fault where the program does what the machine does not allow, UserError where it cannot be executed.
    """
    from threadpoolctl import threadpool_limits

    steps, transfers = _decode(module.operation, args, tuple(listeners), shadow)
    with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        for step in steps:
            step()
    transfers.finish()


def _decode(
    module: ir.Operation, args: Sequence[Array], listeners: tuple[Listener, ...], shadow: bool
) -> tuple[tuple[Step, ...], Transfers]:
    function = _main(module)
    storage = Storage(module, function, machine.of_module(module), shadow)
    transfers = Transfers()
    handlers: dict[str, Handler] = {
        "memref.alloc": storage.alloc,
        "memref.get_global": storage.get_global,
        "npu.dma_start": transfers.dma_start,
        "npu.dma_wait": transfers.dma_wait,
        "npu.gather": transfers.gather,
        "npu.scatter": transfers.scatter,
        **{f"npu.{op}": _engine for op in _PLANS},
    }
    decoder = Decoder(handlers, listeners)
    storage.bind(decoder, function, args)
    return decoder.block(function.regions[0].blocks[0]), transfers


def _engine(decoder: Decoder, op: ir.Operation) -> Step:
    instruction = npu.decode(op)
    site = site_of(decoder, instruction)
    plan = _PLANS[instruction.op](decoder, instruction, elements_of(instruction))
    accesses = [access_of(decoder, site, instruction, use) for use in plan.uses]
    pairs = list(zip(accesses, plan.uses, strict=True))
    site.operands = tuple([operand_of(access, use.write) for access, use in pairs])
    compute = plan.tune(accesses) if plan.tune else plan.compute
    fetches = tuple([views(access, use.write) for access, use in pairs])
    if decoder.listeners:
        return _observed(site, compute, fetches, decoder.listeners)
    return _quiet(compute, fetches)


def _quiet(compute: Compute, fetches: Sequence[Callable[[], Array]]) -> Step:
    if len(fetches) == 2:
        first, second = fetches
        return lambda: compute(first(), second())
    if len(fetches) == 3:
        first, second, third = fetches
        return lambda: compute(first(), second(), third())
    if len(fetches) == 4:
        first, second, third, fourth = fetches
        return lambda: compute(first(), second(), third(), fourth())
    return lambda: compute(*[fetch() for fetch in fetches])


def _observed(
    site: Site, compute: Compute, fetches: Sequence[Callable[[], Array]], listeners: Sequence[Listener]
) -> Step:
    def step() -> None:
        seen = [fetch() for fetch in fetches]
        compute(*seen)
        for listener in listeners:
            listener(site, seen, -1)

    return step


def _main(module: ir.Operation) -> ir.Operation:
    for op in module.regions[0].blocks[0].operations:
        operation = op.operation
        if operation.name == "func.func" and ir.StringAttr(operation.attributes["sym_name"]).value == "main":
            if len(operation.regions[0].blocks) != 1:
                raise UserError("@main has no body", describe(operation.location))
            return operation
    raise UserError("the module has no function @main")
