"""polystage: whole-model staging for accelerators with a software-managed scratchpad."""
