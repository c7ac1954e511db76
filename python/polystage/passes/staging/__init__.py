"""The parts of ``stage``: the search for a plan, groups of nests, and how plans are written."""
