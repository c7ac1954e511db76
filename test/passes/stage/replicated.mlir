// A replicated nest runs on every lane where its result stays on chip, and loads for every lane what it reads from DRAM.
// By itself it leaves its result in DRAM, where it is once: one lane computes it.
// RUN: polystage-opt --set-target=name=tiny --stage=effort=0 --mlir-print-local-scope %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny --stage=strategy=local --mlir-print-local-scope %s | FileCheck %s --check-prefix=LOCAL

// CHECK-LABEL: func.func @main
// CHECK: %[[T:.*]] = memref.alloc() {polystage.name = "t"{{.*}}} : memref<6xf32, affine_map<(d0) -> (-8, d0)>, #npu.sbuf>
// CHECK: %[[TILE:.*]] = memref.alloc() {polystage.name = "x.tile"{{.*}}} : memref<1x6xf32, affine_map<(d0, d1) -> (-8, d0, d1)>, #npu.sbuf>
// CHECK: affine.store %{{.*}}, %[[TILE]][0, %{{.*}}]
// CHECK: npu.nest = "transfer"
// CHECK: affine.load %[[TILE]][0, %{{.*}}]
// CHECK: affine.store %{{.*}}, %[[T]]
// CHECK: {npu.implementation = {kind = "elementwise", replicated}, npu.nest = "compute"}
// CHECK: affine.load %[[T]][%{{.*}}]
// CHECK: {npu.implementation = {kind = "elementwise", lane = 0 : i64}, npu.nest = "compute"}

// LOCAL-LABEL: func.func @main
// LOCAL: memref.alloc() {polystage.name = "t"{{.*}}} : memref<6xf32, affine_map<(d0) -> (-8, d0)>>
// LOCAL: memref.alloc() {polystage.name = "t.tile"{{.*}}} : memref<1x6xf32, #npu.sbuf>
// LOCAL: {npu.implementation = {kind = "elementwise"}, npu.nest = "compute"}
// LOCAL: memref.alloc() {polystage.name = "t.tile"{{.*}}} : memref<8x6xf32, #npu.sbuf>
// LOCAL-NOT: replicated
func.func @main(%x: memref<6xf32> {polystage.name = "x", polystage.kind = "input"},
                %z: memref<8x6xf32> {polystage.name = "z", polystage.kind = "input"},
                %y: memref<8x6xf32> {polystage.name = "y", polystage.kind = "output"}) {
  %t = memref.alloc() {polystage.name = "t"} : memref<6xf32, affine_map<(d0) -> (-8, d0)>>
  affine.for %i = 0 to 6 {
    %0 = affine.load %x[%i] : memref<6xf32>
    %1 = math.exp %0 : f32
    affine.store %1, %t[%i] : memref<6xf32, affine_map<(d0) -> (-8, d0)>>
  } {npu.implementation = {kind = "elementwise", replicated}}
  affine.for %c = 0 to 8 {
    affine.for %i = 0 to 6 {
      %0 = affine.load %z[%c, %i] : memref<8x6xf32>
      %1 = affine.load %t[%i] : memref<6xf32, affine_map<(d0) -> (-8, d0)>>
      %2 = arith.subf %0, %1 : f32
      affine.store %2, %y[%c, %i] : memref<8x6xf32>
    }
  } {npu.implementation = {kind = "elementwise", lane = 0 : i64}}
  return
}
