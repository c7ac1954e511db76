// RUN: polystage-opt --set-target='name=edge sbuf=64KiB' %s | FileCheck %s

// 64 KiB over 16 lanes; a target that is already there is replaced.

// CHECK: polystage.target = {
// CHECK-SAME: bytes_per_lane = 4096 : i64
// CHECK-SAME: name = "edge"
// CHECK-NOT: someone
module attributes {polystage.target = {name = "someone"}} {
}
