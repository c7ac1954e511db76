"""Print the dialect as IRDL."""

import sys

from polystage.dialects.npu.irdl import irdl_text

if __name__ == "__main__":
    sys.stdout.write(irdl_text())
