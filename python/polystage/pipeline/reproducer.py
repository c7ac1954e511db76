"""A file that makes a failure happen again: the command as its first line, then the input."""

import os
from collections.abc import Sequence
from types import TracebackType

from polystage.errors import UserError
from polystage.pipeline.base import InvalidIR, PassFailure


class Reproducer:
    """Around the run of a pipeline: leaves a file behind if the run fails.

    With a ``path`` the file is written before the run and removed after success, so that it is there even if C++ code
    aborts the process. Without one only bugs leave a file, in the folder for temporary files: an exception that is no
    user error gets a note that names it.
    """

    def __init__(self, command: Sequence[str], text: str, path: str = "") -> None:
        """``command`` is the program with its options; the name of the file is added to it.

        :raises UserError: on entering, if ``path`` cannot be written.
        """
        self._command = command
        self._text = text
        self._requested = path
        self.path = ""

    def __enter__(self) -> "Reproducer":
        if self._requested:
            self._write(self._requested)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            if self.path:
                os.unlink(self.path)
                self.path = ""
            return
        is_bug = isinstance(error, Exception) and (isinstance(error, InvalidIR) or not isinstance(error, PassFailure))
        if is_bug and not self.path:
            self._write(_new_temporary())
        if is_bug:
            error.add_note(f"reproducer: {self.path}")

    def _write(self, path: str) -> None:
        import shlex

        command = " ".join(map(shlex.quote, (*self._command, path)))
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"// {command}\n{self._text}")
        except OSError as error:
            raise UserError(f"cannot write the reproducer: {(error.strerror or str(error)).lower()}", path) from None
        self.path = path


def _new_temporary() -> str:
    import tempfile

    handle, path = tempfile.mkstemp(prefix="polystage-", suffix=".mlir")
    os.close(handle)
    return path
