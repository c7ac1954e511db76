"""PyTorch models and files -> linalg on tensors, every weight a named function argument.

The only room that imports torch. ``import_model`` and ``import_exported`` take live objects, ``import_file`` a
``.pt2`` or ``.mlir`` file, ``load_model_argument`` what a user writes on the command line.
"""

from polystage.importers.argument import LoadedModel, load_model_argument
from polystage.importers.imported import Argument, Imported
from polystage.importers.model import import_exported, import_file, import_model

__all__ = [
    "Argument",
    "Imported",
    "LoadedModel",
    "import_exported",
    "import_file",
    "import_model",
    "load_model_argument",
]
