// RUN: polystage-opt --set-target=name=tiny "--map-banks=strategy=global strategy-file=%S/inputs/pinned-dimension.json" --verify-diagnostics %s

func.func @main(%y: memref<16x12xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %c0 = arith.constant 0.0 : f32
  // expected-error @below {{layout of 'a' is pinned to dimension 2 of 2}}
  %a = memref.alloc() {polystage.name = "a"} : memref<16x12xf32>
  affine.for %i = 0 to 16 {
    affine.for %j = 0 to 12 {
      affine.store %c0, %a[%i, %j] : memref<16x12xf32>
    }
  }
  return
}
