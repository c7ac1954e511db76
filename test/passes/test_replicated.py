"""Arrays on every lane: what is computed with them is the same at every level, wherever stage keeps them."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from flow import Flow, assert_same, execute, interpret, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STATISTICS = ("s", "m")


def normalised(tokens: int, channels: int) -> str:
    """``a`` minus its mean along the channels, by way of the sums ``s`` and the means ``m``."""
    wide, narrow = f"memref<{tokens}x{channels}xf32>", f"memref<{tokens}xf32>"
    return f"""
func.func @main(%x: {wide} {{polystage.kind = "input", polystage.name = "x"}},
                %y: {wide} {{polystage.kind = "output", polystage.name = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %n = arith.constant {float(channels)} : f32
  %a = memref.alloc() {{polystage.name = "a"}} : {wide}
  %s = memref.alloc() {{polystage.name = "s"}} : {narrow}
  %m = memref.alloc() {{polystage.name = "m"}} : {narrow}
  affine.for %t = 0 to {tokens} {{ affine.for %c = 0 to {channels} {{
    %0 = affine.load %x[%t, %c] : {wide}
    %1 = math.absf %0 : f32
    affine.store %1, %a[%t, %c] : {wide}
  }} }}
  affine.for %t = 0 to {tokens} {{
    affine.store %zero, %s[%t] : {narrow}
  }}
  affine.for %t = 0 to {tokens} {{ affine.for %c = 0 to {channels} {{
    %0 = affine.load %a[%t, %c] : {wide}
    %1 = affine.load %s[%t] : {narrow}
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %s[%t] : {narrow}
  }} }}
  affine.for %t = 0 to {tokens} {{
    %0 = affine.load %s[%t] : {narrow}
    %1 = arith.divf %0, %n : f32
    affine.store %1, %m[%t] : {narrow}
  }}
  affine.for %t = 0 to {tokens} {{ affine.for %c = 0 to {channels} {{
    %0 = affine.load %a[%t, %c] : {wide}
    %1 = affine.load %m[%t] : {narrow}
    %2 = arith.subf %0, %1 : f32
    affine.store %2, %y[%t, %c] : {wide}
  }} }}
  return
}}"""


PLACES = st.sampled_from((0, None, "replicated", "replicated"))


@st.composite
def pins(draw: st.DrawFn) -> dict[str, dict[str, object]]:
    """Layouts of all arrays, and where it is on every lane perhaps how the mean is computed."""
    layouts: dict[str, object] = {"a": draw(st.sampled_from((0, 1, 1))), **{name: draw(PLACES) for name in STATISTICS}}
    nests: dict[str, object] = {}
    if draw(st.booleans()):
        nests["s#1"] = {"kind": "reduce", "lane": 1, "replicated": True}
    if draw(st.booleans()):
        nests["m#0"] = {"kind": "elementwise", "replicated": True}
    if draw(st.booleans()):
        nests["y#0"] = {"kind": "elementwise", "lane": 1}
    return {"layouts": layouts, "implementations": nests}


@given(
    st.integers(2, 40),
    st.integers(2, 40),
    st.sampled_from((("tiny", "4KiB"), ("tiny", "8KiB"), ("tiny", None), ("edge", "8KiB"), ("trainium1", None))),
    pins(),
    st.booleans(),
)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_pinned_statistics_compute_the_same(
    tokens: int, channels: int, target: tuple[str, str | None], given_pins: dict[str, dict[str, object]], as_text: bool
) -> None:
    name, sbuf = target
    text, flow = normalised(tokens, channels), Flow(name, sbuf, as_text)
    values = np.random.default_rng(tokens * channels).standard_normal((tokens, channels)).astype(np.float32)
    arguments = [values, np.zeros_like(values)]
    wanted = interpret(parse(text), arguments)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pins.json"
        file.write_text(json.dumps(given_pins), encoding="utf-8")
        capacity = f" sbuf={sbuf}" if sbuf else ""
        module = flow.run(parse(text), f"set-target{{name={name}{capacity}}}", f"map-banks{{strategy-file={file}}}")
    assert_same(interpret(module, arguments), wanted, tolerance=0)
    module = flow.run(module, "stage")
    assert_same(interpret(module, arguments), wanted, tolerance=0)
    module = flow.run(module, "lower-to-npu", "allocate")
    assert_same(execute(module, arguments), wanted, tolerance=1e-5)
