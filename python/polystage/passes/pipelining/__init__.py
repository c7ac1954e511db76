"""The parts of ``pipeline-dma``, ``skew-loops``, ``order-instructions``: conflicts, schedules, iterations elsewhere."""
