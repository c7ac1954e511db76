from collections.abc import Iterator

import pytest
from torch_mlir import ir


@pytest.fixture(autouse=True)
def mlir_context() -> Iterator[None]:
    with ir.Context():
        yield
