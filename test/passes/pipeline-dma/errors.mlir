// RUN: polystage-opt --set-target=name=tiny --pipeline-dma=lookahead=0 --verify-diagnostics %s

// expected-error @below {{lookahead must be at least 1 transfer, got 0; strategy=off leaves all transfers where they are}}
module {
  func.func @main() {
    return
  }
}
