"""The dialect as IRDL text, which lets stock ``mlir-opt --irdl-file=`` parse npu programs.

``npu.irdl.mlir`` beside this file is this text; ``python -m polystage.dialects.npu > dialects/npu/npu.irdl.mlir``
renews it. IRDL knows operands, results and the types of attributes; the verifier's rules stay in Python.
"""

from pathlib import Path

from polystage.dialects import _ext
from polystage.dialects.npu.ops import Npu

COMMITTED = Path(__file__).with_name("npu.irdl.mlir")

_HEADER = "// Emitted from dialects/npu/ops.py by `python -m polystage.dialects.npu`; do not edit.\n"


def irdl_text() -> str:
    """What ``npu.irdl.mlir`` has to hold."""
    return _HEADER + _ext.irdl_text(Npu)
