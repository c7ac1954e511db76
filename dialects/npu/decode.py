"""An npu op read once into a frozen Python value, so that nobody else parses attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch_mlir import ir

from polystage.dialects.npu.signatures import SIGNATURES

Number = int | float
AttributeValue = str | bool | int | float | ir.AffineMap


@dataclass(frozen=True)
class ScalarStep:
    """One operation of ``tensor_scalar``: ``x op scalar``, or ``scalar op x`` when ``reverse``.

    ``scalar`` is a number; where ``operand`` is set it is the position of the memref that holds one value per lane.
    """

    op: str
    scalar: Number | None
    operand: int | None
    reverse: bool


@dataclass(frozen=True)
class Instruction:
    """One npu op, for as long as its module lives.

    ``maps[i]`` belongs to ``memrefs[i]``; ``reads`` and ``writes`` are positions in ``memrefs``.
    ``roles[i]`` names ``memrefs[i]`` as the op's documentation does; ``attributes`` holds the remaining attributes as
    Python values; ``token`` is the value that ``dma_wait`` waits for, or that a transfer returns.
    """

    operation: ir.Operation
    op: str
    engine: str
    memrefs: tuple[ir.Value, ...]
    roles: tuple[str, ...]
    indices: tuple[ir.Value, ...]
    sizes: tuple[int, ...]
    maps: tuple[ir.AffineMap, ...]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    attributes: Mapping[str, AttributeValue]
    token: ir.Value | None

    @property
    def accumulate(self) -> bool:
        """Whether a ``matmul`` adds to what its destination holds."""
        return bool(self.attributes.get("accumulate", False))

    @property
    def cause(self) -> str:
        """Why a transfer, or a copy that the model does not have, takes place; empty for every other instruction."""
        return str(self.attributes.get("cause", ""))


def is_instruction(operation: ir.Operation) -> bool:
    """Whether ``operation`` belongs to the npu dialect."""
    return operation.name in SIGNATURES


def decode(operation: ir.Operation | ir.OpView) -> Instruction:
    """The instruction that a verified npu op stands for. Raises KeyError when it is no npu op."""
    operation = operation.operation
    signature = SIGNATURES[operation.name]
    operands = tuple(operation.operands)
    if signature.name == "dma_wait":
        return _wait(operation, operands[0])
    sizes: tuple[int, ...] = ()
    maps: tuple[ir.AffineMap, ...] = ()
    attributes: dict[str, AttributeValue] = {}
    for name in operation.attributes:
        attribute = operation.attributes[name]
        match name:
            case "sizes":
                sizes = tuple(ir.DenseI64ArrayAttr(attribute))
            case "maps":
                maps = tuple(ir.AffineMapAttr(entry).value for entry in ir.ArrayAttr(attribute))
            case "operandSegmentSizes":
                pass
            case _:
                attributes[name] = python_value(attribute)
    count = len(maps)
    reads = tuple(i for i in range(count) if i not in signature.writes)
    if attributes.get("accumulate"):
        reads = (*signature.writes, *reads)
    return Instruction(
        operation=operation,
        op=signature.name,
        engine=signature.engine,
        memrefs=operands[:count],
        roles=tuple(signature.role(i) for i in range(count)),
        indices=operands[count:],
        sizes=sizes,
        maps=maps,
        reads=reads,
        writes=signature.writes,
        attributes=MappingProxyType(attributes),
        token=operation.results[0] if len(operation.results) else None,
    )


def scalar_steps(instruction: Instruction) -> tuple[ScalarStep, ...]:
    """The one or two operations of a ``tensor_scalar``, in order."""
    steps: list[ScalarStep] = []
    position = 2
    for i in range(2):
        op = instruction.attributes.get(f"op{i}")
        if not isinstance(op, str):
            break
        number = instruction.attributes.get(f"scalar{i}")
        operand = None
        if not isinstance(number, int | float):
            number, operand, position = None, position, position + 1
        steps.append(ScalarStep(op, number, operand, bool(instruction.attributes.get(f"reverse{i}", False))))
    return tuple(steps)


def python_value(attribute: ir.Attribute) -> AttributeValue:
    """``attribute`` as a Python value. Raises TypeError for a kind that no instruction has."""
    if isinstance(attribute, ir.BoolAttr | ir.IntegerAttr | ir.FloatAttr | ir.StringAttr | ir.AffineMapAttr):
        return attribute.value
    raise TypeError(f"no npu instruction has an attribute of the kind {attribute}")


def _wait(operation: ir.Operation, token: ir.Value) -> Instruction:
    return Instruction(
        operation, "dma_wait", "dma", (), (), (), (), (), (), (), attributes=MappingProxyType({}), token=token
    )
