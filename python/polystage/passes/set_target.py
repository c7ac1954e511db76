"""Say which machine a module is compiled for."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.machine import load, parse_bytes, to_attribute
from polystage.pipeline import Pass, PassContext, option

ATTRIBUTE = "polystage.target"


@dataclass(frozen=True)
class SetTarget(Pass):
    """Attach the description of a machine to the module.

    Every pass from `map-banks` on and the verifier of the npu dialect read the machine from the module, so that a
    program in text form is complete. A target that the module already has is replaced.

    Before:

    ```mlir
    module { ... }
    ```

    After `set-target{name=edge sbuf=64KiB}`:

    ```mlir
    module attributes {polystage.target = {name = "edge", lanes = 16 : i64, bytes_per_lane = 4096 : i64, ...}} { ... }
    ```

    Requires: nothing.

    Refuses: an unknown target, a target file that is wrong, an SBUF with which no instruction would have its operands.

    Statistics: none.
    """

    name: str = option(help="a built-in target (trainium1, edge, tiny, ...) or the path of a .toml file")
    sbuf: str | None = option(None, help="size of SBUF over all lanes instead of the target's own, as in 256KiB")

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Set the module attribute."""
        machine = load(self.name)
        if self.sbuf is not None:
            machine = machine.with_sbuf(parse_bytes(self.sbuf))
        op.attributes[ATTRIBUTE] = to_attribute(machine)
