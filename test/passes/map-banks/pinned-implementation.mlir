// RUN: polystage-opt --set-target=name=tiny "--map-banks=strategy=global strategy-file=%S/inputs/pinned-implementation.json" --verify-diagnostics %s

func.func @main(%y: memref<16x12xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  %a = memref.alloc() {polystage.name = "a"} : memref<16x12xf32>
  // expected-error @below {{nest is pinned to {kind = "fold", lane = 1 : i64}, which does not run it; legal is {kind = "elementwise", lane = 0 : i64} or {kind = "elementwise", lane = 1 : i64} or {kind = "elementwise"}}}
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 12 {
      affine.store %c0, %a[%i, %j] : memref<16x12xf32>
    }
  }
  return
}
