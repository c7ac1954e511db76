import pytest
from torch_mlir import ir

from polystage.errors import UserError
from polystage.pipeline import Registry, plan_pipeline
from polystage.pipeline.plan import CppStep, Nest, PythonStep, UnknownPassError

COUNT = "count-loads{weight=1 attribute=loads skip=''}"

pytestmark = pytest.mark.usefixtures("context")


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("", "builtin.module()"),
        ("cse", "builtin.module(cse)"),
        ("canonicalize,cse", "builtin.module(canonicalize,cse)"),
        ("builtin.module(func.func(cse),cse)", "builtin.module(func.func(cse),cse)"),
        ("count-loads", f"builtin.module(func.func({COUNT}))"),
        ("func.func(cse),count-loads", f"builtin.module(func.func(cse,{COUNT}))"),
        ("affine-loop-tile", "builtin.module(func.func(affine-loop-tile))"),
        ("affine-loop-unroll", "builtin.module(func.func(affine-loop-unroll))"),
        ("tidy", "builtin.module(canonicalize,cse)"),
        (
            "tidy-and-count",
            "builtin.module(canonicalize,cse,func.func(count-loads{weight=2 attribute=loads skip=''}))",
        ),
        ("func.func(tidy)", "builtin.module(func.func(canonicalize,cse))"),
    ],
)
def test_expansion_is_a_fixed_point(text: str, expanded: str, samples: Registry):
    assert str(plan_pipeline(text, samples)) == expanded
    assert str(plan_pipeline(expanded, samples)) == expanded


def test_cpp_passes_run_together_unless_observed(samples: Registry):
    text = "cse,canonicalize,refuse-division,cse"
    together = plan_pipeline(text, samples)
    first, second, third = together.steps
    assert isinstance(first, CppStep)
    assert first.names == ("cse", "canonicalize")
    assert isinstance(second, PythonStep)
    assert isinstance(third, CppStep)
    assert together.size == 4
    apart = plan_pipeline(text, samples, apart=True)
    assert len(apart.steps) == apart.size == 4
    assert str(apart) == str(together)


def test_neighbouring_nests_are_one(samples: Registry):
    (nest,) = plan_pipeline("affine-loop-tile,func.func(cse),count-loads,affine-loop-unroll", samples).steps
    assert isinstance(nest, Nest)
    assert [type(step) for step in nest.steps] == [CppStep, PythonStep, CppStep]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "unknown pass 'nope'"),
        ("func.func(nope)", "unknown pass 'nope'"),
        ("refuse-divison", "unknown pass 'refuse-divison'; did you mean 'refuse-division'?"),
        ("cse(canonicalize)", "pipeline: there is no operation 'cse' to nest passes under"),
        ("count-loads(cse)", "pipeline: 'count-loads' is not an operation that passes can be nested under"),
        ("func.func{a=1}(cse)", "pipeline: 'func.func' is not an operation that passes can be nested under"),
        ("func.func(refuse-division)", "pipeline: pass 'refuse-division' runs on 'builtin.module', not on 'func.func'"),
        ("tidy{a=1}", "alias 'tidy' takes no options: give them to its passes, canonicalize,cse"),
        ("cse{a=1}", "pass 'cse{a=1}' does not run on 'builtin.module': no such option a"),
        ("func.func(gpu-kernel-outlining)", "pass 'gpu-kernel-outlining' does not run on 'func.func': Can't add"),
        ("count-loads{weight=x}", "option 'weight' of pass 'count-loads' takes an integer, not 'x'"),
    ],
)
def test_errors(text: str, message: str, samples: Registry):
    with pytest.raises(UserError) as raised:
        plan_pipeline(text, samples)
    assert raised.value.message.startswith(message)


def test_llvm_says_nothing_behind_our_back(samples: Registry, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(UserError, match="'7' is invalid value for boolean argument"):
        plan_pipeline("one-shot-bufferize{bufferize-function-boundaries=7}", samples)
    assert capfd.readouterr().err == ""


def test_planning_runs_nothing(samples: Registry, capfd: pytest.CaptureFixture[str]):
    plan_pipeline("print-op-stats", samples)
    assert capfd.readouterr().err == ""


def test_unknown_pass_keeps_its_name(samples: Registry):
    with pytest.raises(UnknownPassError) as raised:
        plan_pipeline("tidi", samples)
    assert raised.value.name == "tidi"
    assert raised.value.close == ("tidy",)


def test_alias_in_itself_is_a_bug_of_the_table(samples: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Registry, "aliases", {"a": "b", "b": "a"})
    with pytest.raises(ValueError, match="alias 'a' contains itself"):
        plan_pipeline("a", samples)


def test_context_is_untouched(context: ir.Context, samples: Registry):
    seen: list[str] = []

    def handle(diagnostic: ir.Diagnostic) -> bool:
        seen.append(diagnostic.message)
        return True

    context.emit_error_diagnostics = True
    with context.attach_diagnostic_handler(handle):
        plan_pipeline("affine-loop-unroll,tidy", samples)
    assert seen == []
