"""Every builder makes a legal op, which decodes to what it was given, also after a trip through text."""

from collections.abc import Callable, Sequence

import pytest
from one_instruction import context, memref
from torch_mlir import ir

from polystage.dialects import npu

Build = Callable[[Callable[[str], ir.Value], Sequence[ir.Value]], object]

S, P, D, LANE = "8x4xf32@sbuf", "8x4xf32@psum", "8x4xf32", "8x1xf32@sbuf"


def access(text: str, dims: int = 2) -> ir.AffineMap:
    names = ", ".join(f"d{i}" for i in range(dims))
    return ir.AffineMapAttr(ir.Attribute.parse(f"affine_map<({names})[s0] -> ({text})>")).value


def same(count: int) -> list[ir.AffineMap]:
    return [access("d0, d1")] * count


CASES: dict[str, Build] = {
    "dma_start": lambda m, i: npu.dma_start(m(D), m(S), i, sizes=[8, 4], maps=same(2), cause="input"),
    "dma_wait": lambda m, i: npu.dma_wait(npu.dma_start(m(D), m(S), i, sizes=[8, 4], maps=same(2), cause="input")),
    "gather": lambda m, i: npu.gather(
        m("9x4xf32"), m(S), [m("8x1xi32@sbuf")], i,
        sizes=[8, 4], maps=[access("d2, d1", 3), access("d0, d1"), access("d0, 0")], cause="parameter",
    ),
    "scatter": lambda m, i: npu.scatter(
        m(S), m("9x4xf32"), [m("8x1xi32@sbuf")], i,
        sizes=[8, 4], maps=[access("d0, d1"), access("d2, d1", 3), access("d0, 0")], cause="output",
    ),
    "matmul": lambda m, i: npu.matmul(
        m(P), m("8x8xf32@sbuf"), m(S), i,
        sizes=[8, 8, 4], maps=[access(t, 3) for t in ("d1, d2", "d0, d1", "d0, d2")], accumulate=True,
    ),
    "transpose": lambda m, i: npu.transpose(
        m("4x8xf32@psum"), m(S), i, sizes=[8, 4], maps=[access("d1, d0"), access("d0, d1")]
    ),
    "activation": lambda m, i: npu.activation(m(S), m(P), i, sizes=[8, 4], maps=same(2), func="exp", scale=2.0),
    "tensor_tensor": lambda m, i: npu.tensor_tensor(m(S), m(S), m(P), i, sizes=[8, 4], maps=same(3), op="add"),
    "tensor_scalar": lambda m, i: npu.tensor_scalar(
        m(S), m(S), [m(LANE)], i, sizes=[8, 4], maps=[*same(2), access("d0, 0")],
        ops=[("subtract", 1.5, True), ("max", None, False)],
    ),
    "scalar_tensor_tensor": lambda m, i: npu.scalar_tensor_tensor(
        m(S), m(S), m(LANE), m(S), i,
        sizes=[8, 4], maps=[*same(2), access("d0, 0"), access("d0, d1")], op0="multiply", op1="add",
    ),
    "tensor_reduce": lambda m, i: npu.tensor_reduce(
        m(LANE), m(S), i, sizes=[8, 4], maps=[access("d0, 0"), access("d0, d1")], op="max"
    ),
    "tensor_copy": lambda m, i: npu.tensor_copy(m("8x4xbf16@sbuf"), m(P), i, sizes=[8, 4], maps=same(2)),
    "select": lambda m, i: npu.select(m(S), m("8x4xi1@sbuf"), m(S), m(S), i, sizes=[8, 4], maps=same(4)),
    "iota": lambda m, i: npu.iota(m(S), i, sizes=[8, 4], maps=same(1), value=access("d0 * 4 + d1")),
    "memset": lambda m, i: npu.memset(m(S), i, sizes=[8, 4], maps=same(1), value=1.0),
}  # fmt: skip


def build(case: Build) -> tuple[ir.Module, npu.Instruction]:
    """A module with the op of ``case`` in a loop, and that op decoded."""
    module = ir.Module.parse("func.func @main() { affine.for %i = 0 to 1 { } return }")
    body = module.body.operations[0].regions[0].blocks[0]
    loop = body.operations[0]
    block = loop.regions[0].blocks[0]

    def alloc(spec: str) -> ir.Value:
        with ir.InsertionPoint(loop):
            segments = {"operandSegmentSizes": ir.DenseI32ArrayAttr.get([0, 0])}
            return ir.Operation.create("memref.alloc", [ir.Type.parse(memref(spec))], [], segments).result

    with ir.InsertionPoint(block.operations[0]):
        case(alloc, [block.arguments[0]])
    return module, last(module)


def last(module: ir.Module) -> npu.Instruction:
    """The last instruction of ``module``, decoded."""
    found: list[npu.Instruction] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if npu.is_instruction(op):
            found.append(npu.decode(op))
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found[-1]


def test_there_is_a_builder_for_every_instruction() -> None:
    assert set(CASES) == set(npu.ENGINE)
    assert all(callable(getattr(npu, name)) for name in CASES)


@pytest.mark.parametrize("name", CASES)
def test_builds_a_legal_op_that_text_keeps(name: str) -> None:
    with context():
        module, built = build(CASES[name])
        module.operation.verify()
        reread = ir.Module.parse(str(module))
        parsed = last(reread)
        assert built.op == parsed.op == name
        assert built.engine == npu.ENGINE[name]
        for part in ("sizes", "maps", "reads", "writes", "roles", "attributes"):
            assert getattr(built, part) == getattr(parsed, part), part
        assert [str(value.type) for value in built.memrefs] == [str(value.type) for value in parsed.memrefs]
        assert len(built.memrefs) == len(built.maps) == len(built.roles)
        assert (built.token is not None) == (name in ("dma_start", "dma_wait", "gather", "scatter"))


def test_decoded_parts() -> None:
    with context():
        built = {name: build(CASES[name]) for name in ("matmul", "dma_start", "gather", "activation")}
        product, transfer, gather, function = (instruction for _, instruction in built.values())
        assert product.roles == ("dst", "stationary", "moving")
        assert (product.reads, product.writes, product.sizes) == ((0, 1, 2), (0,), (8, 8, 4))
        assert product.accumulate
        assert (transfer.reads, transfer.writes, transfer.cause) == ((0,), (1,), "input")
        assert gather.roles == ("src", "dst", "index0")
        assert (gather.reads, gather.writes) == ((0, 2), (1,))
        assert dict(function.attributes) == {"func": "exp", "scale": 2.0, "bias": 0.0}


def test_scalar_steps() -> None:
    with context():
        _, instruction = build(CASES["tensor_scalar"])
        assert npu.scalar_steps(instruction) == (
            npu.ScalarStep("subtract", 1.5, None, True),
            npu.ScalarStep("max", None, 2, False),
        )


def test_numbers_keep_their_type() -> None:
    with context():
        assert str(npu.number_attribute(3)) == "3 : i32"
        assert str(npu.number_attribute(3.0)) == "3.000000e+00 : f32"
