"""Rules of single instructions that hold on every machine: memories, element types, lanes, attributes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch_mlir import ir

from polystage.dialects.npu.instruction import Illegal, Parsed, View
from polystage.dialects.npu.scalars import REDUCTIONS, SCALAR_OPS, UNARY_OPS, reduction_identity

_ON_CHIP = ("sbuf", "psum")
_NAMES = {"dram": "DRAM", "sbuf": "#npu.sbuf", "psum": "#npu.psum"}
_MEMORIES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "dma_start": {"src": ("dram", "sbuf", "psum"), "dst": ("dram", "sbuf", "psum")},
        "gather": {"src": ("dram",), "dst": ("sbuf",), "": ("sbuf",)},
        "scatter": {"src": ("sbuf",), "dst": ("dram",), "": ("sbuf",)},
        "matmul": {"dst": ("psum",), "stationary": ("sbuf",), "moving": ("sbuf",)},
        "transpose": {"dst": ("psum",), "src": ("sbuf",)},
    }
)
_ANY_ENGINE: Mapping[str, tuple[str, ...]] = MappingProxyType({"": _ON_CHIP})
_LANE_SCALARS = frozenset({"bias", "scale", "scalar", "scalar0", "scalar1"})


def check(instruction: Parsed) -> None:
    """Raise Illegal where the instruction breaks a rule."""
    name = instruction.signature.name
    memories = _MEMORIES.get(name, _ANY_ENGINE)
    for view in instruction.views:
        legal = memories.get(view.role) or memories[""]
        if view.memref.memory not in legal:
            wanted = " or ".join(_NAMES[memory] for memory in legal)
            raise Illegal(f"{view.role}: {view.memref.type} lies in {_NAMES[view.memref.memory]}, must be in {wanted}")
    _OWN[name](instruction)


def lane_dim(instruction: Parsed, view: View) -> int:
    """The box dimension that runs over the lanes of that operand of an engine instruction."""
    return 1 if view.role == "dst" and instruction.signature.engine == "tensor" else 0


def free_dims(instruction: Parsed, view: View) -> range:
    """The box dimensions that an operand of an engine instruction ranges over besides its lanes."""
    rank = len(instruction.sizes)
    match instruction.signature.name, view.role:
        case "matmul", "stationary":
            return range(1, 2)
        case "matmul", _:
            return range(2, rank)
        case "transpose", "dst":
            return range(1)
        case _:
            return range(1) if view.role in _LANE_SCALARS else range(1, rank)


# ---- lanes and dimensions


def _check_lanes(instruction: Parsed) -> None:
    """Lanes come from one box dimension, one by one; an operand depends on no dimension that is not its own."""
    for view in instruction.views:
        lane = lane_dim(instruction, view)
        own = free_dims(instruction, view)
        for axis, row in enumerate(view.rows):
            for dim, factor in enumerate(row.dims):
                if not factor or (dim in own and axis) or (dim == lane and not axis and factor == 1):
                    continue
                raise Illegal(_lane_problem(view, lane, axis, dim, factor))
        if not view.rows[0].dims[lane] and instruction.sizes[lane] > 1:
            count = instruction.sizes[lane]
            raise Illegal(f"{view.role}: lane d{lane} has {count} points, but index 0 (the lane) does not follow it")


def _lane_problem(view: View, lane: int, axis: int, dim: int, factor: int) -> str:
    if axis == 0:
        return f"{view.role}: index 0 is the lane and must be d{lane} plus an offset, it has {factor} * d{dim}"
    if dim == lane:
        return f"{view.role}: index {axis} depends on the lane, d{dim}; offsets are equal in all lanes"
    return f"{view.role}: index {axis} depends on d{dim}, over which this operand is constant"


def _check_written(instruction: Parsed, reduced: frozenset[int] = frozenset()) -> None:
    """Every point of the box writes an element of its own."""
    for position in instruction.signature.writes:
        view = instruction.views[position]
        for dim, size in enumerate(instruction.sizes):
            if size > 1 and dim not in reduced and not view.uses(dim):
                raise Illegal(f"{view.role}: all {size} points of d{dim} write the same element; use d{dim} in its map")


# ---- element types and attributes


def _kind_of_all(instruction: Parsed, *roles: str) -> str:
    """The kind of data, float or int, that all operands of these roles hold."""
    views = [view for view in instruction.views if view.role in roles]
    kind = views[0].memref.kind
    for view in views[1:]:
        if view.memref.kind != kind:
            raise Illegal(
                f"{views[0].role} holds {views[0].memref.element}, {view.role} {view.memref.element}; "
                "convert one with tensor_copy first"
            )
    return kind


def _check_result(instruction: Parsed, kind: str) -> None:
    dst = instruction.views[0].memref
    if dst.kind != kind:
        raise Illegal(f"dst holds {dst.element}, the result is {kind}; convert it with tensor_copy")


def _text(instruction: Parsed, name: str) -> str:
    attribute = instruction.operation.attributes.get(name)
    if not isinstance(attribute, ir.StringAttr):
        raise Illegal(f'needs {name} = "..."')
    return attribute.value


def _flag(instruction: Parsed, name: str) -> None:
    if not isinstance(instruction.operation.attributes.get(name), ir.BoolAttr):
        raise Illegal(f"needs {name} = true or false")


def _number(instruction: Parsed, name: str, kind: str) -> None:
    """The number attribute ``name``, if given, is an f32 for float data and an i32 for int data."""
    attribute = instruction.operation.attributes.get(name)
    if attribute is None:
        return
    wanted = "f32" if kind == "float" else "i32"
    legal = isinstance(attribute, ir.FloatAttr | ir.IntegerAttr) and str(attribute.type) == wanted
    if not legal:
        raise Illegal(f"{name} = {attribute}: on {kind} data it is a number of type {wanted}")


def _result_kind(instruction: Parsed, attribute: str, arity: int, kind: str) -> str:
    """The kind of the result of the operation that ``attribute`` names, on data of that kind."""
    name = _text(instruction, attribute)
    op = SCALAR_OPS.get(name)
    if op is None or op.arity != arity:
        takes = "two operands" if arity == 2 else "one operand"
        raise Illegal(f"{attribute} = {name!r} is no operation of {takes}; see polystage.dialects.npu.scalars")
    if not op.defined_on("float" if kind == "float" else "int"):
        raise Illegal(f"{attribute} = {name!r} is not defined on {kind} data")
    return "int" if op.boolean else kind


# ---- the instructions


def _transfer(instruction: Parsed) -> None:
    _text(instruction, "cause")
    src, dst = instruction.views[0].memref, instruction.views[1].memref
    if src.element != dst.element:
        raise Illegal(f"src holds {src.element}, dst {dst.element}; a transfer does not convert, tensor_copy does")
    for view in instruction.views[2:]:
        if view.memref.element != "i32":
            raise Illegal(f"{view.role}: an index is i32, {view.memref.type} holds {view.memref.element}")
    if instruction.signature.name != "scatter":
        _check_written(instruction)


def _matmul(instruction: Parsed) -> None:
    _flag(instruction, "accumulate")
    if len(instruction.sizes) < 2:
        raise Illegal(f"sizes = {list(instruction.sizes)}: a product has the box [K, M, N...]")
    if instruction.views[0].memref.element != "f32":
        raise Illegal(f"dst: accumulates in f32, {instruction.views[0].memref.type} does not hold it")
    _check_lanes(instruction)
    _check_written(instruction, reduced=frozenset({0}))


def _transpose(instruction: Parsed) -> None:
    if len(instruction.sizes) != 2:
        raise Illegal(f"sizes = {list(instruction.sizes)}: a transpose has the box [P, F]")
    dst, src = (view.memref for view in instruction.views)
    if dst.element != src.element:
        raise Illegal(f"src holds {src.element}, dst {dst.element}; a transpose does not convert, tensor_copy does")
    _check_lanes(instruction)
    _check_written(instruction)


def _activation(instruction: Parsed) -> None:
    kind = instruction.views[1].memref.kind
    if _text(instruction, "func") not in UNARY_OPS:
        raise Illegal(f"func = {_text(instruction, 'func')!r} is no function; see polystage.dialects.npu.scalars")
    for name in ("scale", "bias"):
        _number(instruction, name, "float")
    _kind_of_all(instruction, "src", "bias", "scale")
    _check_result(instruction, _result_kind(instruction, "func", 1, kind))
    _pointwise(instruction)


def _tensor_tensor(instruction: Parsed) -> None:
    power = _text(instruction, "op") == "power"  # a float may have an integer power
    kind = _kind_of_all(instruction, "a") if power else _kind_of_all(instruction, "a", "b")
    _check_result(instruction, _result_kind(instruction, "op", 2, kind))
    _pointwise(instruction)


def _tensor_scalar(instruction: Parsed) -> None:
    attributes = instruction.operation.attributes
    kind = instruction.views[1].memref.kind
    scalars = list(instruction.views[2:])
    for i in range(2 if "op1" in attributes else 1):
        _flag(instruction, f"reverse{i}")
        power = _text(instruction, f"op{i}") == "power"
        if f"scalar{i}" in attributes:
            integer = power and isinstance(attributes[f"scalar{i}"], ir.IntegerAttr)
            _number(instruction, f"scalar{i}", "int" if integer else kind)
        elif not scalars:
            raise Illegal(f"op{i} has no second operand; give scalar{i} = a number, or a memref after src")
        elif scalars.pop(0).memref.kind != kind and not power:
            raise Illegal(f"op{i} works on {kind} data, its scalar memref holds other data; convert it first")
        kind = _result_kind(instruction, f"op{i}", 2, kind)
    if scalars:
        raise Illegal(f"{len(scalars)} scalar memrefs are not used; drop them, or the scalar attributes that hide them")
    _check_result(instruction, kind)
    _pointwise(instruction)


def _scalar_tensor_tensor(instruction: Parsed) -> None:
    kind = _kind_of_all(instruction, "a", "scalar")
    kind = _result_kind(instruction, "op0", 2, kind)
    if instruction.views[3].memref.kind != kind:
        raise Illegal(f"op1 works on {kind} data, b holds {instruction.views[3].memref.element}; convert it first")
    _check_result(instruction, _result_kind(instruction, "op1", 2, kind))
    _pointwise(instruction)


def _tensor_reduce(instruction: Parsed) -> None:
    name, kind = _text(instruction, "op"), _kind_of_all(instruction, "dst", "src")
    try:
        reduction_identity(name, "float" if kind == "float" else "int")
    except KeyError:
        legal = ", ".join(sorted(REDUCTIONS))
        raise Illegal(f"op = {name!r} does not reduce {kind} data; reductions are {legal}") from None
    _check_lanes(instruction)


def _tensor_copy(instruction: Parsed) -> None:
    _pointwise(instruction)


def _select(instruction: Parsed) -> None:
    pred = instruction.views[1].memref
    if pred.element != "i1":
        raise Illegal(f"pred: a predicate is i1, {pred.type} holds {pred.element}")
    _kind_of_all(instruction, "dst", "a", "b")
    _pointwise(instruction)


def _iota(instruction: Parsed) -> None:
    attribute = instruction.operation.attributes.get("value")
    if not isinstance(attribute, ir.AffineMapAttr) or len(attribute.value.results) != 1:
        raise Illegal("needs value = an affine map with one result")
    access, symbols = attribute.value, len(instruction.indices)
    if access.n_dims != len(instruction.sizes) or access.n_symbols != symbols:
        raise Illegal(
            f"value has {access.n_dims} dimensions and {access.n_symbols} symbols, "
            f"the box {len(instruction.sizes)} and {symbols}"
        )
    _pointwise(instruction)


def _memset(instruction: Parsed) -> None:
    if "value" not in instruction.operation.attributes:
        raise Illegal("needs value = a number")
    _number(instruction, "value", instruction.views[0].memref.kind)
    _pointwise(instruction)


def _pointwise(instruction: Parsed) -> None:
    _check_lanes(instruction)
    _check_written(instruction)


_OWN: Mapping[str, Callable[[Parsed], None]] = MappingProxyType(
    {
        "dma_start": _transfer,
        "gather": _transfer,
        "scatter": _transfer,
        "matmul": _matmul,
        "transpose": _transpose,
        "activation": _activation,
        "tensor_tensor": _tensor_tensor,
        "tensor_scalar": _tensor_scalar,
        "scalar_tensor_tensor": _scalar_tensor_tensor,
        "tensor_reduce": _tensor_reduce,
        "tensor_copy": _tensor_copy,
        "select": _select,
        "iota": _iota,
        "memset": _memset,
    }
)
