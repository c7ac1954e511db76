// Where the scratchpad has no room for copies or longer lives, transfers stay where they are and the program still fits.
// RUN: polystage-opt "--set-target=name=tiny sbuf=8KiB" --pipeline-dma --allocate %s | FileCheck %s
// RUN: polystage-opt "--set-target=name=tiny sbuf=16KiB" --pipeline-dma --allocate %s | FileCheck %s --check-prefix=ROOM

// CHECK: npu.sbuf_peak = 1024 : i64
// CHECK: memref<8x256xf32, #npu.sbuf>
// CHECK: affine.for %{{.*}} = 0 to 4 {
// CHECK-NEXT: npu.dma_start
// CHECK-NEXT: npu.dma_wait
// CHECK-NEXT: npu.memset
// CHECK-NEXT: npu.dma_start
// CHECK-NEXT: npu.dma_wait

// ROOM: npu.sbuf_peak = 2048 : i64
// ROOM: memref<8x2x256xf32, #npu.sbuf>
// ROOM: affine.for %{{.*}} = 1 to 3 iter_args
#id = affine_map<(d0, d1)[s0] -> (d0, d1)>
#tile = affine_map<(d0, d1)[s0] -> (d0, s0 * 256 + d1)>
func.func @main(%x: memref<8x1024xf32>, %y: memref<8x1024xf32>) {
  %a = memref.alloc() {polystage.name = "a"} : memref<8x256xf32, #npu.sbuf>
  affine.for %i = 0 to 4 {
    %0 = "npu.dma_start"(%x, %a, %i) {cause = "input", sizes = array<i64: 8, 256>, maps = [#tile, #id]} : (memref<8x1024xf32>, memref<8x256xf32, #npu.sbuf>, index) -> !npu.token
    "npu.dma_wait"(%0) : (!npu.token) -> ()
    "npu.memset"(%a) {value = 0.0 : f32, sizes = array<i64: 4, 256>, maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (memref<8x256xf32, #npu.sbuf>) -> ()
    %1 = "npu.dma_start"(%a, %y, %i) {cause = "output", sizes = array<i64: 8, 256>, maps = [#id, #tile]} : (memref<8x256xf32, #npu.sbuf>, memref<8x1024xf32>, index) -> !npu.token
    "npu.dma_wait"(%1) : (!npu.token) -> ()
  }
  return
}
