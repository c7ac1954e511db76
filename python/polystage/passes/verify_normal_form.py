"""verify-normal-form: every clause of the affine normal form, checked without the code that makes it."""

from dataclasses import dataclass

from torch_mlir import ir

from polystage.passes.nests import normal_form
from polystage.pipeline import Pass, PassContext


@dataclass(frozen=True)
class VerifyNormalForm(Pass):
    """Check that the module is in the affine normal form (DESIGN section 2).

    A function @main without results, and beside it at most @load, in the same form: arguments are arrays with a
    unique name and a kind, outputs last; its block holds scalar constants, allocations named ``t<N>``, constant
    globals and nests. A nest is a perfect nest of loops from 0 with step 1 whose body is loads, scalar operations and
    one store; it accesses arrays inside their bounds, stores to outputs and allocated arrays only, and reads an array
    only after a nest has written it. Element types are i1, i8, i32, f16, bf16 and f32.

    Accepts:
    ```mlir
    func.func @main(%x: memref<8xf32> {polystage.kind = "input", polystage.name = "x"},
                    %y: memref<8xf32> {polystage.kind = "output", polystage.name = "output0"}) {
      affine.for %i = 0 to 8 {
        %0 = affine.load %x[%i] : memref<8xf32>
        %1 = math.exp %0 : f32
        affine.store %1, %y[%i] : memref<8xf32>
      }
    return
    }
    ```

    Refuses: everything else; reports all breaches.
    """

    def run(self, op: ir.Operation, ctx: PassContext) -> None:
        """Check the module; changes nothing."""
        for where, message in normal_form.breaches(op):
            ctx.error(where, message)
