"""What the passes on nests share: reading and writing them, their bodies, their index expressions."""
