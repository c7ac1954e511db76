import importlib.util
import sys
from pathlib import Path

import pytest

_FILE = Path(__file__).parents[2] / "tools" / "check_lines.py"
_SPEC = importlib.util.spec_from_file_location("check_lines", _FILE)
assert _SPEC
assert _SPEC.loader
check_lines = importlib.util.module_from_spec(_SPEC)
sys.modules["check_lines"] = check_lines
_SPEC.loader.exec_module(check_lines)

RUN = "// RUN: polystage-opt %s --cse | FileCheck %s\n// CHECK: module\n"


def findings(text: str) -> list[str]:
    return [f"{item.line}: {item.message}" for item in check_lines.lint("t.mlir", text)]


@pytest.mark.parametrize(
    "line",
    [
        "// CHECK-NXT: a",
        "// CHECK_NEXT: a",
        "// CHECK NEXT: a",
        "// CHECK : a",
        "// CHECK-NEXT; a",
        "// CHCEK: a",
        "// CHEK: a",
        "// CHECKS: a",
        "// CHECK-LABLE: a",
        "// CHECK-SAME-NEXT: a",
        "%x = arith.constant 1 : i32 // CHECK-NEX: a",
    ],
)
def test_misspelt_directive(line: str):
    (found,) = findings(RUN + line)
    assert found.startswith("3: ")
    assert "is no directive of this test" in found


@pytest.mark.parametrize("line", ["// CHECK-NEXT a", "// CHECK a", "// CHECK-DAG"])
def test_missing_colon(line: str):
    (found,) = findings(RUN + line)
    assert "lacks its colon" in found


@pytest.mark.parametrize(
    "line",
    [
        "// CHECK: {{.*}}",
        "// CHECK-NEXT: {{.+}} {{.*}}",
        "// CHECK: [[ANY:.*]]",
        "// CHECK: {{^}}{{.*}}{{$}}",
    ],
)
def test_wildcards_only(line: str):
    assert findings(RUN + line) == ["3: check of wildcards only: it matches anything"]


def test_empty_check():
    assert findings(RUN + "// CHECK-SAME:") == ["3: empty check"]


def test_sound_lines_pass():
    text = RUN + (
        "// CHECK-NEXT: %[[A:.*]] = affine.load\n"
        "// CHECK-NOT: {{.}}\n// CHECK-EMPTY:\n// CHECK-COUNT-3: x\n"
        "// A test of checks. Check the notes: they matter. NOTE: capitals alone are no directive.\n"
        "// CHEAP: prose that starts with capitals\n"
    )
    assert findings(text) == []


def test_prefixes_come_from_run_lines():
    text = (
        "// RUN: polystage-opt %s | FileCheck %s --check-prefixes=ONE,TWO\n"
        "// RUN: polystage-opt %s \\\n// RUN:   | FileCheck %s --check-prefix=ONE-OF\n"
        "// ONE: a\n// ONE-OF: b\n// TWO-NEXT: c\n// CHECK: free to be prose\n"
    )
    assert check_lines.prefixes_of(text.splitlines()) == {"ONE", "TWO", "ONE-OF"}
    assert findings(text) == []


def test_prefix_without_directive():
    text = "// RUN: polystage-opt %s | FileCheck %s --check-prefix=LOST\n"
    assert findings(text) == ["1: prefix LOST has no directive: FileCheck would check nothing"]


def test_whole_module_dump():
    text = RUN + "// CHECK-NEXT: a\n" * 25
    assert findings(text) == ["27: more than 24 -NEXT lines in a row: check what the test is about"]


@pytest.mark.parametrize(
    "comment", ["expected-error@+1 {lost}", "expected-eror {{a}}", "expected-error@1 {{a}}", "expected-remark: a"]
)
def test_malformed_expectation(comment: str):
    (found,) = findings(f"// RUN: polystage-opt %s --verify-diagnostics\n// {comment}\n")
    assert "malformed expectation" in found


def test_llvm_only_syntax():
    (found,) = findings(RUN + "// CHECK: [[#N:]]")
    assert "LLVM's FileCheck only" in found


def test_main_walks_folders_without_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "data.mlir").write_text("// RUN: FileCheck\n")
    (tmp_path / "bad.mlir").write_text(RUN + "// CHECK: {{.*}}\n")
    assert check_lines.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/bad.mlir:3: error: check of wildcards only: it matches anything\n"
    (tmp_path / "bad.mlir").unlink()
    assert check_lines.main([str(tmp_path)]) == 0
