"""Where long groups may begin and end."""

from torch_mlir import ir

from polystage import dialects
from polystage.analysis.layouts import Layout
from polystage.passes.staging.plan import Array
from polystage.passes.staging.waists import waists


def array(size: int, writes: tuple[int, ...], reads: tuple[int, ...], kind: str = "intermediate") -> Array:
    context = ir.Context()
    dialects.register(context)
    with context, ir.Location.unknown():
        type_ = ir.MemRefType.get([size], ir.F32Type.get())
        op = ir.Operation.create("memref.alloc", [type_], [], {"operandSegmentSizes": ir.DenseI32ArrayAttr.get([0, 0])})
    touched = tuple(sorted({*writes, *reads}))
    return Array(op.result, Layout(0, 16), size, size, kind, touched, reads, writes, fixed=False)


def test_groups_end_where_least_is_alive() -> None:
    """0 -> 30 -> 1 -> 10 -> 2 -> 30 -> 3: position 2 is crossed by ten bytes, those beside it by thirty."""
    chain = [array(30, (0,), (1,)), array(10, (1,), (2,)), array(30, (2,), (3,))]
    assert waists(chain, range(4), 4) == {0, 2, 4}


def test_what_lives_long_crosses_all_between_and_arguments_do_not_count() -> None:
    chain = [array(30, (0,), (1,)), array(10, (1,), (2,)), array(30, (2,), (3,))]
    skip = array(25, (1,), (2,))
    assert waists([*chain, skip], range(4), 4) == {0, 4}
    assert waists([*chain, array(25, (1,), (2,), "weight")], range(4), 4) == {0, 2, 4}
