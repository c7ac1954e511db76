"""Types of `torch_mlir.extras.fx_decomp_util`."""

from collections.abc import Callable

from torch._ops import OpOverload

def get_decomposition_table() -> dict[OpOverload, Callable[..., object]]: ...
