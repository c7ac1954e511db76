"""Twelve models at their real sizes, blocks of such, and three small ones: random weights, nothing to download.

``names()`` lists the twelve, ``parts()`` the blocks, ``names(small=True)`` the three made for the ``tiny`` target;
``load`` builds one with its example inputs, at other sizes where its name is followed by them (``unet:side=512``).
"""

from polystage.zoo.registry import load, names, parts

__all__ = ["load", "names", "parts"]
