// RUN: polystage-opt --map-banks --verify-diagnostics %s

// expected-error @unknown {{module has no polystage.target; run set-target{name=...} first}}
func.func @main(%a: memref<8xf32> {polystage.name = "a", polystage.kind = "output"}) {
  return
}
