// RUN: polystage-opt --print-copies --verify-diagnostics %s

func.func @main(%a: memref<4x6xf32> {polystage.name = "a"}, %v: memref<6xf32> {polystage.name = "v"},
                %b: memref<4x6xf32> {polystage.name = "b"}, %t: memref<6x4xf32> {polystage.name = "t"},
                %s: memref<2x3xf32> {polystage.name = "s"}, %p: memref<6x6xf32> {polystage.name = "p"},
                %flat: memref<24xf32> {polystage.name = "flat"}) {
  // expected-remark @below {{identity copy of 96 bytes from 'a' to 'b'}}
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %a[%i, %j] : memref<4x6xf32>
      affine.store %0, %b[%i, %j] : memref<4x6xf32>
    }
  }
  // expected-remark @below {{permutation copy of 96 bytes from 'a' to 't'}}
  affine.for %i = 0 to 6 {
    affine.for %j = 0 to 4 {
      %0 = affine.load %a[%j, %i] : memref<4x6xf32>
      affine.store %0, %t[%i, %j] : memref<6x4xf32>
    }
  }
  // expected-remark @below {{slice copy of 24 bytes from 'a' to 's'}}
  affine.for %i = 0 to 2 {
    affine.for %j = 0 to 3 {
      %0 = affine.load %a[%i + 1, %j * 2] : memref<4x6xf32>
      affine.store %0, %s[%i, %j] : memref<2x3xf32>
    }
  }
  // expected-remark @below {{pad copy of 96 bytes from 'a' to 'p'}}
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %a[%i, %j] : memref<4x6xf32>
      affine.store %0, %p[%i + 1, %j] : memref<6x6xf32>
    }
  }
  // expected-remark @below {{broadcast copy of 96 bytes from 'v' to 'b'}}
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 6 {
      %0 = affine.load %v[%j] : memref<6xf32>
      affine.store %0, %b[%i, %j] : memref<4x6xf32>
    }
  }
  // expected-remark @below {{general copy of 96 bytes from 'a' to 'flat'}}
  affine.for %i = 0 to 24 {
    %0 = affine.load %a[%i floordiv 6, %i mod 6] : memref<4x6xf32>
    affine.store %0, %flat[%i] : memref<24xf32>
  }
  // expected-remark @below {{general copy of 24 bytes from 'v' to 'v'}}
  affine.for %i = 0 to 6 {
    %0 = affine.load %v[-%i + 5] : memref<6xf32>
    affine.store %0, %v[%i] : memref<6xf32>
  }
  return
}
