"""The parts of ``fuse-nests``: policy, legality, mechanism."""
