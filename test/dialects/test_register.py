"""Loading the dialects into contexts."""

import gc
import subprocess
import sys
import weakref

from torch_mlir import ir

from polystage.dialects import npu, register


def test_twice_in_one_context_and_in_many() -> None:
    for _ in range(3):
        context = ir.Context()
        register(context)
        register(context)
        with context:
            assert npu.memory_of(ir.Type.parse("memref<8x4xf32, #npu.sbuf>")) == "sbuf"
            assert npu.memory_of(ir.Type.parse("memref<8x4xf32, #npu.psum>")) == "psum"
            assert npu.memory_of(ir.Type.parse("memref<8x4xf32>")) == "dram"
            assert str(npu.sbuf()) == "#npu.sbuf"
            assert str(npu.psum()) == "#npu.psum"


def test_element_bytes() -> None:
    with ir.Context():
        sizes = {text: npu.element_bytes(ir.Type.parse(text)) for text in ("i1", "i8", "f16", "bf16", "i32", "f32")}
    assert sizes == {"i1": 1, "i8": 1, "f16": 2, "bf16": 2, "i32": 4, "f32": 4}


def test_verifying_keeps_no_context_alive() -> None:
    contexts: list[weakref.ref[ir.Context]] = []
    for _ in range(20):
        with ir.Context() as context, ir.Location.unknown():
            register(context)
            ir.Module.parse(
                """func.func @main(%a: memref<8x4xf32, #npu.sbuf>) {
                "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 8, 4>,
                                  maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x4xf32, #npu.sbuf>) -> ()
                return }"""
            )
        contexts.append(weakref.ref(context))
        del context
    gc.collect()
    assert sum(reference() is not None for reference in contexts) <= 1


def test_a_pass_may_keep_other_memory_spaces_and_generic_passes_run() -> None:
    text = """func.func @main(%a: memref<8x4xf32, #npu.sbuf>) {
      %c = arith.constant 1.0 : f32
      affine.for %i = 0 to 8 { affine.store %c, %a[%i, 0] : memref<8x4xf32, #npu.sbuf> }
      return }"""
    from torch_mlir.passmanager import PassManager

    with ir.Context() as context, ir.Location.unknown():
        register(context)
        module = ir.Module.parse(text)
        PassManager.parse("builtin.module(canonicalize,cse)").run(module.operation)
        assert "#npu.sbuf" in str(module)


def test_neither_numpy_nor_islpy_nor_torch_is_imported() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from torch_mlir import ir\n"
        "from polystage import dialects, machine\n"
        "c = ir.Context(); dialects.register(c)\n"
        "print([m for m in ('torch', 'islpy', 'pydantic', 'ortools') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
