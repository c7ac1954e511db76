// What stays: heads of 48, whose multiples are no lanes to start at; of 128, which fill the lanes; an array that only one
// nest with loops of its own uses; one that is read at computed indices.
// RUN: polystage-opt --set-target=name=trainium1 --merge-dimensions --mlir-print-local-scope %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: polystage.name = "odd"} : memref<3x16x48xf32>
// CHECK: polystage.name = "full"} : memref<3x16x128xf32>
// CHECK: polystage.name = "apart"} : memref<3x16x64xf32>
// CHECK: polystage.name = "gathered"} : memref<3x16x64xf32>
func.func @main(%x: memref<16x144xf32>, %y: memref<16x384xf32>, %z: memref<3x16x64xf32>, %u: memref<16x192xf32>,
                %at: memref<16xi32>, %out: memref<16xf32>) {
  %odd = memref.alloc() {polystage.name = "odd"} : memref<3x16x48xf32>
  %full = memref.alloc() {polystage.name = "full"} : memref<3x16x128xf32>
  %apart = memref.alloc() {polystage.name = "apart"} : memref<3x16x64xf32>
  %gathered = memref.alloc() {polystage.name = "gathered"} : memref<3x16x64xf32>
  affine.for %h = 0 to 3 {
    affine.for %q = 0 to 16 {
      affine.for %d = 0 to 48 {
        %0 = affine.load %x[%q, 48 * %h + %d] : memref<16x144xf32>
        affine.store %0, %odd[%h, %q, %d] : memref<3x16x48xf32>
      }
    }
  }
  affine.for %h = 0 to 3 {
    affine.for %q = 0 to 16 {
      affine.for %d = 0 to 128 {
        %0 = affine.load %y[%q, 128 * %h + %d] : memref<16x384xf32>
        affine.store %0, %full[%h, %q, %d] : memref<3x16x128xf32>
      }
    }
  }
  affine.for %h = 0 to 3 {
    affine.for %q = 0 to 16 {
      affine.for %d = 0 to 64 {
        %0 = affine.load %z[%h, %q, %d] : memref<3x16x64xf32>
        affine.store %0, %apart[%h, %q, %d] : memref<3x16x64xf32>
      }
    }
  }
  affine.for %h = 0 to 3 {
    affine.for %q = 0 to 16 {
      affine.for %d = 0 to 64 {
        %0 = affine.load %u[%q, 64 * %h + %d] : memref<16x192xf32>
        affine.store %0, %gathered[%h, %q, %d] : memref<3x16x64xf32>
      }
    }
  }
  affine.for %q = 0 to 16 {
    %c0 = affine.load %at[%q] : memref<16xi32>
    %i = arith.index_cast %c0 : i32 to index
    %j = affine.apply affine_map<(d0) -> (d0)>(%q)
    %0 = memref.load %gathered[%i, %j, %j] : memref<3x16x64xf32>
    affine.store %0, %out[%q] : memref<16xf32>
  } {polystage.indirect}
  return
}
