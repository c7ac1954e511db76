"""narrow-types: no f64 and no i64."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests.ir import NotSupportedError, functions, reported, walk
from polystage.pipeline import Pass, PassContext

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
IDENTITIES = frozenset(("arith.maxsi", "arith.minsi", "arith.maxui", "arith.minui"))


@dataclass(frozen=True)
class NarrowTypes(Pass):
    """Turn i64 into i32 everywhere, and f64 scalars into f32.

    Arguments keep their old type as ``polystage.dtype``. Casts that have become trivial disappear. Conversions of i1
    to signed numbers, which would make -1 of true, are written as negations of unsigned ones. Constants beyond i32
    that only start a maximum or minimum become the least or greatest i32.

    Before:
    ```mlir
    %0 = arith.extf %in : f32 to f64
    %1 = arith.cmpf ogt, %0, %half : f64
    %2 = arith.extui %1 : i1 to i64
    ```
    After:
    ```mlir
    %1 = arith.cmpf ogt, %in, %half : f32
    %2 = arith.extui %1 : i1 to i32
    ```

    Requires: the values of i64 tensors fit in i32; the caller checks his inputs.
    Refuses: f64 tensors, integer constants beyond i32.
    Statistics: values (of changed type).
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Narrow every value of the module."""
        with op.context, ir.Location.unknown(), reported(ctx):
            types = _Narrowing()
            for func in functions(op):
                _narrow_signature(func, types)
            for inner in walk(op):
                _narrow_values(inner, types, ctx)
            for inner in walk(op):
                rule = _RULES.get(inner.name)
                if rule is not None:
                    rule(inner, types)


class _Narrowing:
    """Old type -> new type, remembered."""

    def __init__(self) -> None:
        self._known: dict[ir.Type, ir.Type] = {}

    def of(self, type_: ir.Type, location: Callable[[], ir.Location]) -> ir.Type:
        """The narrow form of ``type_``; NotSupportedError at ``location`` for an f64 tensor."""
        new = self._known.get(type_)
        if new is None:
            new = self._known[type_] = self._make(type_, location)
        return new

    def _make(self, type_: ir.Type, location: Callable[[], ir.Location]) -> ir.Type:
        if isinstance(type_, ir.IntegerType) and type_.width == 64:
            return ir.IntegerType.get_signless(32)
        if isinstance(type_, ir.F64Type):
            return ir.F32Type.get()
        if isinstance(type_, (ir.RankedTensorType, ir.MemRefType)):
            if isinstance(type_.element_type, ir.F64Type):
                message = f"{type_} holds f64, which no target computes with; convert the model and its inputs to f32"
                raise NotSupportedError(location(), message)
            element = self.of(type_.element_type, location)
            if element == type_.element_type:
                return type_
            if isinstance(type_, ir.RankedTensorType):
                return ir.RankedTensorType.get(type_.shape, element, type_.encoding)
            return ir.MemRefType.get(type_.shape, element, type_.layout, type_.memory_space)
        return type_


def _narrow_signature(func: ir.Operation, types: _Narrowing) -> None:
    """Change the function's type; arguments that change keep their old element type as an attribute."""
    signature = ir.FunctionType(ir.TypeAttr(func.attributes["function_type"]).value)
    attributes = _argument_attributes(func, len(signature.inputs))
    for position, type_ in enumerate(signature.inputs):
        if types.of(type_, lambda: func.location) != type_:
            old = str(ir.ShapedType(type_).element_type) if isinstance(type_, ir.ShapedType) else str(type_)
            attributes[position]["polystage.dtype"] = ir.StringAttr.get(old)
    func.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(entry) for entry in attributes])
    inputs = [types.of(type_, lambda: func.location) for type_ in signature.inputs]
    results = [types.of(type_, lambda: func.location) for type_ in signature.results]
    func.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, results))


def _argument_attributes(func: ir.Operation, count: int) -> list[dict[str, ir.Attribute]]:
    if "arg_attrs" not in func.attributes:
        return [{} for _ in range(count)]
    return [{a.name: a.attr for a in ir.DictAttr(entry)} for entry in ir.ArrayAttr(func.attributes["arg_attrs"])]


def _narrow_values(op: ir.Operation, types: _Narrowing, ctx: PassContext) -> None:
    arguments = [a for region in op.regions for block in region.blocks for a in block.arguments]
    for value in (*op.results, *arguments):
        old = value.type
        new = types.of(old, lambda: op.location)
        if new != old:
            value.set_type(new)
            ctx.statistic("values")


def _forward_trivial(op: ir.Operation, types: _Narrowing) -> None:
    """Remove a cast between equal types."""
    if op.operands[0].type == op.results[0].type:
        op.results[0].replace_all_uses_with(op.operands[0])
        op.erase()


def _sign_extend(op: ir.Operation, types: _Narrowing) -> None:
    if not _is_bit(op.operands[0].type):
        return _forward_trivial(op, types)
    type_ = op.results[0].type
    with ir.InsertionPoint(op), op.location:
        zero = ir.Operation.create("arith.constant", [type_], [], {"value": ir.IntegerAttr.get(type_, 0)}).result
        wide = ir.Operation.create("arith.extui", [type_], [op.operands[0]]).result
        _replace(op, ir.Operation.create("arith.subi", [type_], [zero, wide]).result)
    return None


def _signed_to_float(op: ir.Operation, types: _Narrowing) -> None:
    if _is_bit(op.operands[0].type):
        type_ = op.results[0].type
        with ir.InsertionPoint(op), op.location:
            number = ir.Operation.create("arith.uitofp", [type_], [op.operands[0]]).result
            _replace(op, ir.Operation.create("arith.negf", [type_], [number]).result)


def _is_bit(type_: ir.Type) -> bool:
    return isinstance(type_, ir.IntegerType) and type_.width == 1


def _replace(op: ir.Operation, value: ir.Value) -> None:
    op.results[0].replace_all_uses_with(value)
    op.erase()


def _constant(op: ir.Operation, types: _Narrowing) -> None:
    """Give the value of ``arith.constant`` the new type of its result."""
    old, type_ = op.attributes["value"], op.results[0].type
    if isinstance(old, ir.FloatAttr) and old.type != type_:
        op.attributes["value"] = ir.FloatAttr.get(type_, old.value)
    elif isinstance(old, ir.IntegerAttr) and old.type != type_:
        op.attributes["value"] = ir.IntegerAttr.get(type_, _in_range(op, old.value))
    elif isinstance(old, ir.DenseElementsAttr) and old.type != type_:
        op.attributes["value"] = _dense(op, old, type_)


def _global(op: ir.Operation, types: _Narrowing) -> None:
    old = op.attributes["initial_value"]
    memref = ir.MemRefType(types.of(ir.TypeAttr(op.attributes["type"]).value, lambda: op.location))
    op.attributes["type"] = ir.TypeAttr.get(memref)
    if isinstance(old, ir.DenseElementsAttr):
        op.attributes["initial_value"] = _dense(op, old, ir.RankedTensorType.get(memref.shape, memref.element_type))


def _dense(op: ir.Operation, old: ir.DenseElementsAttr, type_: ir.Type) -> ir.Attribute:
    """Dense i64 numbers as i32."""
    if not isinstance(old, ir.DenseIntElementsAttr) or old.type == type_:
        return old
    if old.is_splat:
        element = ir.ShapedType(type_).element_type
        value = ir.IntegerAttr(old.get_splat_value()).value
        return ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(element, _in_range(op, value)))
    numbers = array("i", (_in_range(op, int(value)) for value in old))
    shaped = ir.ShapedType(type_)
    return ir.DenseElementsAttr.get(
        memoryview(numbers).cast("B").cast("i", list(shaped.shape)), type=shaped.element_type
    )


def _in_range(op: ir.Operation, value: int) -> int:
    """``value`` if i32 holds it, the nearest i32 if the constant only starts a maximum or minimum."""
    if INT32_MIN <= value <= INT32_MAX:
        return value
    if not all(_starts_extremum(use.owner.operation, use.operand_number) for use in op.results[0].uses):
        raise NotSupportedError(
            op.location, f"the integer {value:,} does not fit in i32, the widest integer of the targets"
        )
    return max(INT32_MIN, min(INT32_MAX, value))


def _starts_extremum(user: ir.Operation, position: int) -> bool:
    """Whether a use can only give the identity of a maximum or minimum."""
    if user.name in IDENTITIES:
        return True
    if user.name == "linalg.fill" and position == 0:
        return all(_starts_extremum(use.owner.operation, use.operand_number) for use in user.results[0].uses)
    if user.name == "linalg.generic":
        argument = user.regions[0].blocks[0].arguments[position]
        return all(use.owner.operation.name in (*IDENTITIES, "arith.cmpi") for use in argument.uses)
    return False


_RULES: dict[str, Callable[[ir.Operation, _Narrowing], None]] = {
    "arith.constant": _constant,
    "memref.global": _global,
    "arith.extf": _forward_trivial,
    "arith.truncf": _forward_trivial,
    "arith.extui": _forward_trivial,
    "arith.trunci": _forward_trivial,
    "arith.bitcast": _forward_trivial,
    "arith.extsi": _sign_extend,
    "arith.sitofp": _signed_to_float,
}
