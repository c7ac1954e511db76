"""Modules with one npu instruction, written short, and what the verifier says about them."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from torch_mlir import ir

from polystage import machine
from polystage.dialects import register

SEGMENTED = {"activation": 2, "tensor_scalar": 2, "gather": 4, "scatter": 4}
ROLES = {"activation": 2, "tensor_scalar": 2, "gather": 2, "scatter": 2}
TRANSFERS = ("dma_start", "gather", "scatter")


def memref(spec: str) -> str:
    """``8x4xf32@sbuf`` as a memref type; without a space it is in DRAM."""
    shape, _, space = spec.partition("@")
    return f"memref<{shape}, #npu.{space}>" if space else f"memref<{shape}>"


def program(
    op: str,
    memrefs: Sequence[str],
    maps: Sequence[str],
    sizes: Sequence[int],
    attributes: str = "",
    loops: Sequence[tuple[int, int, int]] = (),
    addresses: Sequence[int] = (),
) -> str:
    """A module with one instruction in ``loops`` (lower, upper, step); the symbols of the maps are its variables.

    ``maps`` are written ``d0, d1 + s0``, with ``e0`` for the dimension of the first index memref.
    """
    types = list(map(memref, memrefs))
    extra = [f"d{len(sizes) + i}" for i in range(sum("e" + str(i) in "".join(maps) for i in range(4)))]
    dims = [f"d{i}" for i in range(len(sizes))]
    symbols = ", ".join(f"s{i}" for i in range(len(loops)))
    texts: list[str] = []
    for text in maps:
        own = dims + (extra if "e0" in text else [])
        for i, dim in enumerate(extra):
            text = text.replace(f"e{i}", dim)
        texts.append(f"affine_map<({', '.join(own)})[{symbols}] -> ({text})>")
    given = [f"sizes = array<i64: {', '.join(map(str, sizes))}>", f"maps = [{', '.join(texts)}]"]
    if op in SEGMENTED:
        optional = [int(i < len(types) - ROLES[op]) for i in range(SEGMENTED[op])]
        given.append(f"operandSegmentSizes = array<i32: {', '.join(map(str, [1, 1, *optional, len(loops)]))}>")
    given += ['cause = "test"'] if op in TRANSFERS else []
    given += [attributes] if attributes else []
    operands = [f"%m{i}" for i in range(len(types))] + [f"%i{i}" for i in range(len(loops))]
    signature = ", ".join([*types, *(["index"] * len(loops))])
    result = "!npu.token" if op in TRANSFERS else "()"
    lines = ["func.func @main() {"]
    for i, each in enumerate(types):
        place = f" {{npu.address = {addresses[i]} : i64}}" if addresses else ""
        lines.append(f"%m{i} = memref.alloc(){place} : {each}")
    lines += [f"affine.for %i{i} = {low} to {high} step {step} {{" for i, (low, high, step) in enumerate(loops)]
    assigned = "%t = " if op in TRANSFERS else ""
    lines.append(f'{assigned}"npu.{op}"({", ".join(operands)}) {{{", ".join(given)}}} : ({signature}) -> {result}')
    return "\n".join([*lines, *("}" for _ in loops), "return", "}"])


@contextmanager
def context() -> Generator[None]:
    """A context with the dialects, and a location."""
    with ir.Context() as fresh, ir.Location.unknown():
        register(fresh)
        yield


def problem(text: str, target: str | None = None) -> str:
    """What the verifier says about the program, on ``target`` if given; empty when it is fine."""
    with context():
        try:
            module = ir.Module.parse(text)
            if target:
                module.operation.attributes["polystage.target"] = machine.to_attribute(machine.load(target))
                module.operation.verify()
        except ir.MLIRError as error:
            return next(line for line in str(error).splitlines() if "error:" in line)
    return ""
