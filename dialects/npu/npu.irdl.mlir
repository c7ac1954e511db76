// Emitted from dialects/npu/ops.py by `python -m polystage.dialects.npu`; do not edit.
module {
  irdl.dialect @npu {
    irdl.type @token {
      irdl.parameters()
    }
    irdl.attribute @sbuf {
      irdl.parameters()
    }
    irdl.attribute @psum {
      irdl.parameters()
    }
    irdl.operation @dma_start {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.index"
      irdl.operands(src: %0, dst: %1, indices: variadic %2)
      %3 = irdl.base "#builtin.dense_array"
      %4 = irdl.base "#builtin.array"
      %5 = irdl.base "#builtin.string"
      irdl.attributes {"sizes" = %3, "maps" = %4, "cause" = %5}
      %6 = irdl.base @npu::@token
      irdl.results(token: %6)
    }
    irdl.operation @dma_wait {
      %0 = irdl.base @npu::@token
      irdl.operands(token: %0)
    }
    irdl.operation @gather {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.memref"
      %4 = irdl.base "!builtin.memref"
      %5 = irdl.base "!builtin.memref"
      %6 = irdl.base "!builtin.index"
      irdl.operands(src: %0, dst: %1, index0: optional %2, index1: optional %3, index2: optional %4, index3: optional %5, indices: variadic %6)
      %7 = irdl.base "#builtin.dense_array"
      %8 = irdl.base "#builtin.array"
      %9 = irdl.base "#builtin.string"
      irdl.attributes {"sizes" = %7, "maps" = %8, "cause" = %9}
      %10 = irdl.base @npu::@token
      irdl.results(token: %10)
    }
    irdl.operation @scatter {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.memref"
      %4 = irdl.base "!builtin.memref"
      %5 = irdl.base "!builtin.memref"
      %6 = irdl.base "!builtin.index"
      irdl.operands(src: %0, dst: %1, index0: optional %2, index1: optional %3, index2: optional %4, index3: optional %5, indices: variadic %6)
      %7 = irdl.base "#builtin.dense_array"
      %8 = irdl.base "#builtin.array"
      %9 = irdl.base "#builtin.string"
      irdl.attributes {"sizes" = %7, "maps" = %8, "cause" = %9}
      %10 = irdl.base @npu::@token
      irdl.results(token: %10)
    }
    irdl.operation @matmul {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, stationary: %1, moving: %2, indices: variadic %3)
      %4 = irdl.base "#builtin.dense_array"
      %5 = irdl.base "#builtin.array"
      %6 = irdl.base "#builtin.integer"
      irdl.attributes {"sizes" = %4, "maps" = %5, "accumulate" = %6}
    }
    irdl.operation @transpose {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, src: %1, indices: variadic %2)
      %3 = irdl.base "#builtin.dense_array"
      %4 = irdl.base "#builtin.array"
      irdl.attributes {"sizes" = %3, "maps" = %4}
    }
    irdl.operation @activation {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.memref"
      %4 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, src: %1, bias: optional %2, lane_scale: optional %3, indices: variadic %4)
      %5 = irdl.base "#builtin.dense_array"
      %6 = irdl.base "#builtin.array"
      %7 = irdl.base "#builtin.string"
      irdl.attributes {"sizes" = %5, "maps" = %6, "func" = %7}
    }
    irdl.operation @tensor_tensor {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, a: %1, b: %2, indices: variadic %3)
      %4 = irdl.base "#builtin.dense_array"
      %5 = irdl.base "#builtin.array"
      %6 = irdl.base "#builtin.string"
      irdl.attributes {"sizes" = %4, "maps" = %5, "op" = %6}
    }
    irdl.operation @tensor_scalar {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.memref"
      %4 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, src: %1, lane_scalar0: optional %2, lane_scalar1: optional %3, indices: variadic %4)
      %5 = irdl.base "#builtin.dense_array"
      %6 = irdl.base "#builtin.array"
      %7 = irdl.base "#builtin.string"
      %8 = irdl.base "#builtin.integer"
      irdl.attributes {"sizes" = %5, "maps" = %6, "op0" = %7, "reverse0" = %8}
    }
    irdl.operation @scalar_tensor_tensor {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.memref"
      %4 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, a: %1, scalar: %2, b: %3, indices: variadic %4)
      %5 = irdl.base "#builtin.dense_array"
      %6 = irdl.base "#builtin.array"
      %7 = irdl.base "#builtin.string"
      %8 = irdl.base "#builtin.string"
      irdl.attributes {"sizes" = %5, "maps" = %6, "op0" = %7, "op1" = %8}
    }
    irdl.operation @tensor_reduce {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, src: %1, indices: variadic %2)
      %3 = irdl.base "#builtin.dense_array"
      %4 = irdl.base "#builtin.array"
      %5 = irdl.base "#builtin.string"
      irdl.attributes {"sizes" = %3, "maps" = %4, "op" = %5}
    }
    irdl.operation @tensor_copy {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, src: %1, indices: variadic %2)
      %3 = irdl.base "#builtin.dense_array"
      %4 = irdl.base "#builtin.array"
      irdl.attributes {"sizes" = %3, "maps" = %4}
    }
    irdl.operation @select {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.memref"
      %2 = irdl.base "!builtin.memref"
      %3 = irdl.base "!builtin.memref"
      %4 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, pred: %1, a: %2, b: %3, indices: variadic %4)
      %5 = irdl.base "#builtin.dense_array"
      %6 = irdl.base "#builtin.array"
      irdl.attributes {"sizes" = %5, "maps" = %6}
    }
    irdl.operation @iota {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, indices: variadic %1)
      %2 = irdl.base "#builtin.dense_array"
      %3 = irdl.base "#builtin.array"
      %4 = irdl.base "#builtin.affine_map"
      irdl.attributes {"sizes" = %2, "maps" = %3, "value" = %4}
    }
    irdl.operation @memset {
      %0 = irdl.base "!builtin.memref"
      %1 = irdl.base "!builtin.index"
      irdl.operands(dst: %0, indices: variadic %1)
      %2 = irdl.base "#builtin.dense_array"
      %3 = irdl.base "#builtin.array"
      %4 = irdl.any
      irdl.attributes {"sizes" = %2, "maps" = %3, "value" = %4}
    }
  }
}
