"""The parts of ``lower-to-npu``: layouts, contractions and their epilogues, moves on chip."""
