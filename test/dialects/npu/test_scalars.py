"""The table of scalar operations against the operations that MLIR has, and against the meaning of i1 there."""

from collections.abc import Callable, Iterator

import pytest
from torch_mlir import ir
from torch_mlir.dialects import arith, math

from polystage.dialects.npu import scalars

# what no single instruction is: two results, three operands, no arithmetic, or a bit pattern
ELSEWHERE = {
    "arith.addui_extended", "arith.subui_extended", "arith.mulsi_extended", "arith.mului_extended", "math.sincos",
    "math.fma", "math.clampf", "arith.select", "arith.constant", "arith.index_cast", "arith.index_castui",
    "arith.bitcast", "arith.scaling_extf", "arith.scaling_truncf", "arith.flush_denormals",
}  # fmt: skip


def upstream() -> Iterator[str]:
    for module in (arith, math):
        for value in vars(module).values():
            name = getattr(value, "OPERATION_NAME", "")
            if isinstance(value, type) and issubclass(value, ir.OpView) and name.startswith(("arith.", "math.")):
                yield name


CASTS = set("extf truncf convertf sitofp uitofp fptosi fptoui extsi extui trunci".split())  # noqa: SIM905


def test_every_operation_of_arith_and_math_has_a_place() -> None:
    known = {mlir.name for op in scalars.SCALAR_OPS.values() for mlir in (op.float_op, op.int_op) if mlir}
    known |= {"math.fpowi"} | {f"arith.{name}" for name in CASTS}
    assert set(upstream()) - known == ELSEWHERE
    assert known <= set(upstream())


@pytest.mark.parametrize("name", scalars.SCALAR_OPS)
def test_both_directions_agree(name: str) -> None:
    for kind, element in (("float", "f32"), ("int", "i32")):
        mlir = scalars.mlir_op(name, "float" if kind == "float" else "int")
        if mlir is not None:
            assert scalars.instruction_op(mlir.name, mlir.predicate, element) == name


@pytest.mark.parametrize(
    ("op", "predicates", "element", "folded"),
    [
        ("arith.cmpf", scalars.CMPF_PREDICATES, "f32", {"false", "true"}),
        ("arith.cmpi", scalars.CMPI_PREDICATES, "i32", set[str]()),
    ],
)
def test_predicates_have_the_numbers_of_mlir(
    op: str, predicates: tuple[str, ...], element: str, folded: set[str]
) -> None:
    with ir.Context(), ir.Location.unknown():
        for number, name in enumerate(predicates):
            text = f"func.func @f(%a: {element}) {{ %0 = {op} {name}, %a, %a : {element} return }}"
            module = ir.Module.parse(text)
            parsed = module.body.operations[0].regions[0].blocks[0].operations[0]
            assert ir.IntegerAttr(parsed.attributes["predicate"]).value == number
            found = scalars.instruction_op(op, number, element)
            assert found == scalars.instruction_op(op, name, element)
            assert (found is None) == (name in folded)
    assert len(predicates) == (16 if op == "arith.cmpf" else 10)


SIGNED = {0: 0, 1: -1}  # what bit b of an i1 is worth as a signed number
ON_BITS: dict[str, Callable[[int, int], int]] = {
    "max": max, "min": min, "max_unsigned": max, "min_unsigned": min,
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "add": lambda a, b: (a + b) & 1, "subtract": lambda a, b: (a - b) & 1, "multiply": lambda a, b: a * b,
    "is_eq": lambda a, b: a == b, "is_ne": lambda a, b: a != b,
    "is_gt": lambda a, b: a > b, "is_ge": lambda a, b: a >= b,
    "is_lt": lambda a, b: a < b, "is_le": lambda a, b: a <= b,
    "is_gt_unsigned": lambda a, b: a > b, "is_ge_unsigned": lambda a, b: a >= b,
    "is_lt_unsigned": lambda a, b: a < b, "is_le_unsigned": lambda a, b: a <= b,
}  # fmt: skip
MLIR_ON_I1: dict[tuple[str, str | None], Callable[[int, int], int]] = {
    ("arith.maxsi", None): lambda a, b: a if SIGNED[a] >= SIGNED[b] else b,
    ("arith.minsi", None): lambda a, b: a if SIGNED[a] <= SIGNED[b] else b,
    ("arith.maxui", None): max,
    ("arith.minui", None): min,
    ("arith.andi", None): lambda a, b: a & b,
    ("arith.ori", None): lambda a, b: a | b,
    ("arith.xori", None): lambda a, b: a ^ b,
    ("arith.addi", None): lambda a, b: (a + b) % 2,
    ("arith.subi", None): lambda a, b: (a - b) % 2,
    ("arith.muli", None): lambda a, b: (a * b) % 2,
    ("arith.cmpi", "eq"): lambda a, b: a == b,
    ("arith.cmpi", "ne"): lambda a, b: a != b,
    ("arith.cmpi", "slt"): lambda a, b: SIGNED[a] < SIGNED[b],
    ("arith.cmpi", "sle"): lambda a, b: SIGNED[a] <= SIGNED[b],
    ("arith.cmpi", "sgt"): lambda a, b: SIGNED[a] > SIGNED[b],
    ("arith.cmpi", "sge"): lambda a, b: SIGNED[a] >= SIGNED[b],
    ("arith.cmpi", "ult"): lambda a, b: a < b,
    ("arith.cmpi", "ule"): lambda a, b: a <= b,
    ("arith.cmpi", "ugt"): lambda a, b: a > b,
    ("arith.cmpi", "uge"): lambda a, b: a >= b,
}


@pytest.mark.parametrize(("name", "predicate"), MLIR_ON_I1)
def test_i1_is_zero_or_one_here_and_zero_or_minus_one_there(name: str, predicate: str | None) -> None:
    chosen = scalars.instruction_op(name, predicate, "i1")
    assert chosen is not None
    for a in (0, 1):
        for b in (0, 1):
            assert ON_BITS[chosen](a, b) == MLIR_ON_I1[name, predicate](a, b)


def test_operations_on_the_sign_or_high_bits_of_narrow_integers_have_no_instruction() -> None:
    assert scalars.instruction_op("arith.shrui", None, "i32") == "shift_right_unsigned"
    for element in ("i8", "i1"):
        assert scalars.instruction_op("arith.shrui", None, element) is None
        assert scalars.instruction_op("math.ctlz", None, element) is None
    assert scalars.instruction_op("arith.divsi", None, "i1") is None
    assert scalars.instruction_op("arith.divsi", None, "i8") == "divide"


@pytest.mark.parametrize(
    ("name", "source", "target", "is_copy"),
    [
        ("arith.extf", "bf16", "f32", True),
        ("arith.sitofp", "i32", "f32", True),
        ("arith.sitofp", "i1", "f32", False),
        ("arith.uitofp", "i1", "f32", True),
        ("arith.uitofp", "i8", "f32", False),
        ("arith.extsi", "i1", "i32", False),
        ("arith.extui", "i1", "i32", True),
        ("arith.extui", "i8", "i32", False),
        ("arith.trunci", "i32", "i8", True),
        ("arith.bitcast", "f32", "i32", False),
    ],
)
def test_casts(name: str, source: str, target: str, is_copy: bool) -> None:
    assert scalars.cast_is_copy(name, source, target) == is_copy


@pytest.mark.parametrize("name", sorted(scalars.REDUCTIONS))
def test_identities_are_neutral(name: str) -> None:
    combine: dict[str, Callable[[float, float], float]] = {
        "add": lambda a, b: a + b, "multiply": lambda a, b: a * b, "max": max, "min": min,
        "maxnum": lambda a, b: b if a != a else max(a, b), "minnum": lambda a, b: b if a != a else min(a, b),
    }  # fmt: skip
    bits: dict[str, Callable[[int, int], int]] = {
        "add": lambda a, b: a + b, "multiply": lambda a, b: a * b, "max": max, "min": min,
        "max_unsigned": lambda a, b: max(a & 0xFFFFFFFF, b & 0xFFFFFFFF),
        "min_unsigned": lambda a, b: min(a & 0xFFFFFFFF, b & 0xFFFFFFFF),
        "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    }  # fmt: skip
    op = scalars.SCALAR_OPS[name]
    for kind, table, values in (("float", combine, (-3.5, 0.0, 1e30)), ("int", bits, (-(1 << 31), -1, 0, 7))):
        if not op.defined_on("float" if kind == "float" else "int"):
            with pytest.raises(KeyError):
                scalars.reduction_identity(name, "float" if kind == "float" else "int")
            continue
        identity = scalars.reduction_identity(name, "float" if kind == "float" else "int")
        for value in values:
            found = table[name](identity, value)  # pyright: ignore[reportArgumentType] - each table has its kind
            assert found in (value, int(value) & 0xFFFFFFFF if kind == "int" else value)
