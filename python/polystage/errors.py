"""The one exception for what a user can mend; everything else that raises is a bug."""

from collections.abc import Sequence


class UserError(Exception):
    """Bad input: an unsupported model, malformed IR, a target that is too small, a missing file.

    ``message`` says what, where, how much and what to do, starts in lower case and carries no location;
    ``location`` is ``file:line:col`` or a file name, or None when there is no place to point to.
    """

    def __init__(self, message: str, location: str | None = None, notes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.notes = tuple(notes)

    def __str__(self) -> str:
        head = f"{self.location}: error: {self.message}" if self.location else f"error: {self.message}"
        return "\n".join((head, *(f"note: {note}" for note in self.notes)))
