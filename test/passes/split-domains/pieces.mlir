// RUN: polystage-opt %s --split-domains --split-input-file | FileCheck %s

// Reflection: down to the border and up again.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<6xf32>, %[[Y:[a-z0-9]*]]: memref<8xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 3 {
// CHECK-NEXT: %[[V:.*]] = affine.load %[[X]][-%[[I]] + 2]
// CHECK-NEXT: affine.store %[[V]], %[[Y]][%[[I]]]
// CHECK: affine.for %[[J:.*]] = 0 to 5 {
// CHECK-NEXT: %[[W:.*]] = affine.load %[[X]][%[[J]] + 1]
// CHECK-NEXT: affine.store %[[W]], %[[Y]][%[[J]] + 3]
// CHECK-NOT: affine.for
func.func @main(%x: memref<6xf32>, %y: memref<8xf32>) {
  %two = arith.constant 2 : i32
  affine.for %i = 0 to 8 {
    %0 = affine.apply affine_map<(d0) -> (d0)>(%i)
    %1 = arith.index_cast %0 : index to i32
    %2 = arith.subi %1, %two : i32
    %3 = math.absi %2 : i32
    %4 = arith.index_cast %3 : i32 to index
    %5 = memref.load %x[%4] : memref<6xf32>
    affine.store %5, %y[%i] : memref<8xf32>
  } {polystage.indirect}
  return
}

// -----

// Nearest neighbour, computed in floating point: one piece, no cut.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<6xf32>, %[[Y:[a-z0-9]*]]: memref<10xf32>)
// CHECK: affine.for %[[I:.*]] = 0 to 10 {
// CHECK-NEXT: affine.load %[[X]][(%[[I]] * 3) floordiv 5]
// CHECK-NOT: affine.for
func.func @main(%x: memref<6xf32>, %y: memref<10xf32>) {
  %scale = arith.constant 1.66666663 : f32
  affine.for %i = 0 to 10 {
    %0 = affine.apply affine_map<(d0) -> (d0)>(%i)
    %1 = arith.index_cast %0 : index to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.divf %2, %scale : f32
    %4 = math.floor %3 : f32
    %5 = arith.fptosi %4 : f32 to i32
    %6 = arith.index_cast %5 : i32 to index
    %7 = memref.load %x[%6] : memref<6xf32>
    affine.store %7, %y[%i] : memref<10xf32>
  } {polystage.indirect}
  return
}

// -----

// A constant table; what depends on data or has no pattern stays.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<8xf32>, %[[N:[a-z0-9]*]]: memref<4xi32>
// CHECK: affine.load %[[X]][%{{.*}} * 2 + 1]
// CHECK: memref.load %[[X]]
// CHECK: } {polystage.indirect}
// CHECK: memref.load %[[X]]
// CHECK: } {polystage.indirect}
memref.global "private" constant @odd : memref<4xi32> = dense<[1, 3, 5, 7]>
memref.global "private" constant @wild : memref<16xi32> = dense<[1, 3, 0, 7, 2, 6, 3, 1, 0, 5, 4, 7, 1, 2, 6, 0]>
func.func @main(%x: memref<8xf32>, %n: memref<4xi32>, %a: memref<4xf32>, %b: memref<4xf32>, %c: memref<16xf32>) {
  %odd = memref.get_global @odd : memref<4xi32>
  %wild = memref.get_global @wild : memref<16xi32>
  affine.for %i = 0 to 4 {
    %0 = affine.load %odd[%i] : memref<4xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = memref.load %x[%1] : memref<8xf32>
    affine.store %2, %a[%i] : memref<4xf32>
  } {polystage.indirect}
  affine.for %i = 0 to 4 {
    %0 = affine.load %n[%i] : memref<4xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = memref.load %x[%1] : memref<8xf32>
    affine.store %2, %b[%i] : memref<4xf32>
  } {polystage.indirect}
  affine.for %i = 0 to 16 {
    %0 = affine.load %wild[%i] : memref<16xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = memref.load %x[%1] : memref<8xf32>
    affine.store %2, %c[%i] : memref<16xf32>
  } {polystage.indirect}
  return
}
