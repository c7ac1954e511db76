"""Input text of a driver: split into parts and parsed so that every line keeps its number in the file."""

import re
from dataclasses import dataclass

from torch_mlir import ir

from polystage.pipeline.diagnostics import DiagnosticLog

_MARKER = re.compile(r"^// -----[ \t]*\n", re.MULTILINE)
_SINGLE = "source must contain a single top-level operation"


@dataclass(frozen=True)
class Part:
    """A part of the input; ``first_line`` is the number of its first line in the file."""

    text: str
    first_line: int = 1

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.split("\n")


def split_parts(text: str) -> tuple[Part, ...]:
    """The parts between ``// -----`` lines."""
    parts: list[Part] = []
    line = 1
    for piece in _MARKER.split(text):
        parts.append(Part(piece, line))
        line += piece.count("\n") + 1
    return tuple(parts)


def parse_module(part: Part, file: str, log: DiagnosticLog) -> ir.Operation | None:
    """Parse ``part`` of ``file`` in the current context; None after errors, which go to ``log``.

    As in ``mlir-opt`` the outer module may be left out. Only ``Operation.parse`` takes a file name, and it takes only
    one top-level operation: other text is parsed as file ``-``, which ``log`` has to rename.
    """
    text = "\n" * (part.first_line - 1) + part.text
    context = ir.Context.current
    assert context is not None
    seen = DiagnosticLog()
    handler = context.attach_diagnostic_handler(seen.handle)
    try:
        return _in_module(ir.Operation.parse(text, source_name=file).operation, file)
    except ir.MLIRError:
        pass
    finally:
        handler.detach()
    if any(error.message.startswith(_SINGLE) for error in seen.errors):
        try:
            return ir.Module.parse(text).operation
        except ir.MLIRError:
            return None
    for diagnostic in seen.items:
        log.add(diagnostic)
    return None


def _in_module(op: ir.Operation, file: str) -> ir.Operation:
    if op.name == "builtin.module":
        return op
    module = ir.Module.create(ir.Location.file(file, 1, 1))
    module.body.append(op)
    return module.operation
