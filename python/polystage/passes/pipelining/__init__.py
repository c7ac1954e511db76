"""The parts of ``pipeline-dma`` and ``skew-loops``: conflicts, schedules, iterations written elsewhere."""
