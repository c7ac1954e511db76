"""Twelve models at their real sizes and three small ones, with random weights and nothing to download.

``names()`` lists the twelve, ``names(small=True)`` the three made for the ``tiny`` target; ``load`` builds one with
its example inputs.
"""

from polystage.zoo.registry import load, names

__all__ = ["load", "names"]
