// RUN: polystage-opt --set-target=name=tiny %s | FileCheck %s
// RUN: polystage-opt --set-target=name=tiny %s | polystage-opt | FileCheck %s

// CHECK: module attributes {polystage.target = {alignment = 4 : i64,
// CHECK-SAME: bytes_per_lane = 2048 : i64,
// CHECK-SAME: lanes = 8 : i64,
// CHECK-SAME: name = "tiny"
module {
}
