import pytest
from torch_mlir import ir

from polystage.pipeline import InvalidIR, PassFailure, Registry, run_pipeline
from polystage.pipeline.plan import CppStep, PythonStep

TEXT = """
func.func @f(%a: memref<f32>) -> f32 {
  %x = affine.load %a[] : memref<f32>
  %y = arith.divf %x, %x : f32
  return %y : f32
}
func.func @g() {
  return
}
"""


@pytest.fixture
def module(context: ir.Context) -> ir.Operation:
    return ir.Module.parse(TEXT, context).operation


def test_result_carries_what_was_said_and_counted(module: ir.Operation, samples: Registry):
    result = run_pipeline(module, "cse,count-loads{weight=5}", samples)
    assert [item.message for item in result.diagnostics] == ["5 loads", "0 loads"]
    assert [(item.pass_name, item.name, item.value) for item in result.statistics] == [
        ("count-loads", "loads", 5),
        ("count-loads", "functions", 2),
    ]
    assert [item.name for item in result.timings] == ["cse", "count-loads{weight=5 attribute=loads skip=''}"]
    assert all(item.seconds > 0 for item in result.timings)
    assert "loads = 5 : i64" in str(module)


def test_observer_sees_each_step_on_each_operation(module: ir.Operation, samples: Registry):
    seen: list[tuple[str, str]] = []

    def see(step: PythonStep | CppStep, op: ir.Operation) -> None:
        seen.append((str(step).partition("{")[0], op.name))

    run_pipeline(module, "canonicalize,cse,count-loads", samples, on_after=see)
    assert seen == [
        ("canonicalize", "builtin.module"),
        ("cse", "builtin.module"),
        ("count-loads", "func.func"),
        ("count-loads", "func.func"),
    ]


def test_failure_carries_all_diagnostics_and_the_position(module: ir.Operation, samples: Registry):
    with pytest.raises(PassFailure) as raised:
        run_pipeline(module, "count-loads,refuse-division,cse", samples)
    failure = raised.value
    assert [item.severity for item in failure.diagnostics] == ["remark", "remark", "error"]
    assert failure.position == "running 'refuse-division{how=report}', pass 2 of 3, on 'builtin.module'"
    assert str(failure) == (
        "-:4:8: error: there is no divider\nnote: -:3:8: the dividend\nnote: multiply\nnote: while " + failure.position
    )


def test_user_error_of_a_pass_becomes_a_diagnostic(module: ir.Operation, samples: Registry):
    with pytest.raises(PassFailure) as raised:
        run_pipeline(module, "refuse-division{how=raise}", samples)
    assert raised.value.message == "there is no divider"
    assert raised.value.notes[0] == "multiply by the reciprocal"


def test_bug_of_a_pass_passes_through(module: ir.Operation, samples: Registry):
    with pytest.raises(ZeroDivisionError) as raised:
        run_pipeline(module, "cse,divide-by-zero", samples)
    assert raised.value.__notes__ == ["while running 'divide-by-zero', pass 2 of 2, on 'builtin.module'"]


def test_invalid_ir_is_found_after_the_pass(module: ir.Operation, samples: Registry):
    with pytest.raises(InvalidIR) as raised:
        run_pipeline(module, "break-ir", samples)
    assert raised.value.position == "running 'break-ir', pass 1 of 1, on 'func.func' @f"
    assert "entry block must have 0 arguments" in raised.value.message


def test_verification_can_be_left_out(module: ir.Operation, samples: Registry):
    run_pipeline(module, "break-ir", samples, verify_each=False)


def test_errors_of_cpp_passes_are_located(context: ir.Context, samples: Registry):
    module = ir.Module.parse(TEXT, context).operation
    with pytest.raises(PassFailure) as raised:
        run_pipeline(module, "arith-emulate-unsupported-floats{source-types=f99}", samples)
    assert "f99" in raised.value.message


def test_handlers_do_not_pile_up(module: ir.Operation, samples: Registry):
    first = run_pipeline(module, "count-loads", samples)
    second = run_pipeline(module, "count-loads", samples)
    assert len(first.diagnostics) == len(second.diagnostics) == 2
