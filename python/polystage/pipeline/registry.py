"""Which passes there are: the files of a package, each imported when it is first asked for."""

import importlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from typing import cast

from polystage.errors import UserError
from polystage.pipeline.base import Pass

_ALIASES_MODULE = "pipelines"


class Registry(Mapping[str, type[Pass]]):
    """Passes by name. The names are known from the file names alone; ``registry[name]`` imports that one file.

    ``pipelines.py`` of a package holds ``ALIASES``, names for whole pipelines. Files that start with an underscore
    are helpers.
    """

    def __init__(self, *packages: str) -> None:
        """``packages`` are importable packages; a later one wins where two have a pass of the same name.

        :raises UserError: no such package.
        """
        self._modules: dict[str, str] = {}
        self._alias_modules: list[str] = []
        self._aliases: dict[str, str] | None = None
        for package in packages:
            self._scan(package)

    def _scan(self, package: str) -> None:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.submodule_search_locations is None:
            raise UserError(f"no package '{package}' of passes")
        for folder in spec.submodule_search_locations:
            for file in os.listdir(folder):
                stem, extension = os.path.splitext(file)
                if extension != ".py" or stem.startswith("_"):
                    continue
                if stem == _ALIASES_MODULE:
                    self._alias_modules.append(f"{package}.{stem}")
                else:
                    self._modules[stem.replace("_", "-")] = f"{package}.{stem}"

    def __getitem__(self, name: str) -> type[Pass]:
        module = importlib.import_module(self._modules[name])
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Pass) and value.__module__ == module.__name__
        ]
        if len(found) != 1:
            raise TypeError(f"{module.__name__} must define exactly one pass, has {len(found)}")
        return found[0]

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._modules))

    def __len__(self) -> int:
        return len(self._modules)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Pipeline text by alias."""
        if self._aliases is None:
            modules = [importlib.import_module(name) for name in self._alias_modules]
            self._aliases = {
                alias: text for module in modules for alias, text in cast("dict[str, str]", module.ALIASES).items()
            }
        return self._aliases

    def close_matches(self, name: str) -> list[str]:
        """Names of passes and aliases that resemble ``name``, the closest first."""
        import difflib

        return difflib.get_close_matches(name, [*self._modules, *self.aliases], n=3)
