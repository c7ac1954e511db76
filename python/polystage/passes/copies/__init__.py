"""The parts of ``eliminate-copies``: content relations, the moves, the choice among them, certificates."""
