"""The parts of ``map-banks``: the problem, its solvers, how decisions are written, pinned and explained."""
