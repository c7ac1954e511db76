func.func @main(%x: memref<4x6xf32> {polystage.kind = "input", polystage.name = "x"},
                %y: memref<6x5xf32> {polystage.kind = "output", polystage.name = "output0"}) {
  %zero = arith.constant 0.0 : f32
  %t0 = memref.alloc() {polystage.name = "t0"} : memref<6x4xf32>
  affine.for %i = 0 to 6 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %x[%j, %i] : memref<4x6xf32>
      affine.store %0, %t0[%i, %j] : memref<6x4xf32>
    }
  }
  %t1 = memref.alloc() {polystage.name = "t1"} : memref<6x4xf32>
  affine.for %i = 0 to 6 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %t0[%i, %j] : memref<6x4xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %t1[%i, %j] : memref<6x4xf32>
    }
  }
  %t2 = memref.alloc() {polystage.name = "t2"} : memref<6x5xf32>
  affine.for %i = 0 to 6 {
    affine.for %j = 0 to 5 {
      affine.store %zero, %t2[%i, %j] : memref<6x5xf32>
    }
  }
  affine.for %i = 0 to 6 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %t1[%i, %j] : memref<6x4xf32>
      affine.store %0, %t2[%i, %j + 1] : memref<6x5xf32>
    }
  }
  affine.for %i = 0 to 6 {
    affine.for %j = 0 to 5 {
      %0 = affine.load %t2[%i, %j] : memref<6x5xf32>
      %1 = math.exp %0 : f32
      affine.store %1, %y[%i, %j] : memref<6x5xf32>
    }
  }
  return
}
