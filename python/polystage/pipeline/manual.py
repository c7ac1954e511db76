"""Help from docstrings: what a pass says about itself, taken apart and laid out for a terminal."""

import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from polystage.pipeline.base import Pass
from polystage.pipeline.commandline import SWITCHES
from polystage.pipeline.options import Option, options_of
from polystage.pipeline.registry import Registry

_WIDTH = 110
_IN_SENTENCE = re.compile(r"([\w-]+)(?: \(([^)]*)\))?[,.]")
_SECTIONS = ("Requires", "Refuses", "Statistics")


@dataclass(frozen=True)
class Manual:
    """The documentation of a pass. ``body`` is the intent with the IR before and after, ``sections`` are by title."""

    name: str
    anchor: str
    summary: str
    body: str
    sections: Mapping[str, str]
    options: tuple[Option, ...]

    @property
    def statistics(self) -> Mapping[str, str]:
        """The meaning of each statistic by name."""
        return _entries(self.sections.get("Statistics", ""))


def manual_of(pass_class: type[Pass]) -> Manual:
    """Read the docstring and the options of a pass."""
    text = inspect.cleandoc(pass_class.__dict__.get("__doc__") or "")
    summary, _, rest = text.partition("\n\n")
    body: list[str] = []
    sections: dict[str, list[str]] = {}
    current = body
    for line in rest.splitlines():
        title, colon, tail = line.partition(":")
        if colon and title in _SECTIONS:
            current = sections.setdefault(title, [])
            line = tail.strip()
        current.append(line)
    return Manual(
        pass_class.pass_name,
        pass_class.anchor,
        " ".join(summary.split()),
        "\n".join(body).strip(),
        {title: textwrap.dedent("\n".join(lines)).strip("\n") for title, lines in sections.items()},
        options_of(pass_class),
    )


def _entries(text: str) -> dict[str, str]:
    """Names with meanings: ``name: meaning`` lines, where a line that is no entry continues the one before, or one
    sentence, ``name (meaning), name (meaning).``, or ``none.``
    """
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        head, colon, meaning = line.strip().lstrip("-* ").partition(":")
        head = head.strip("`")
        if colon and head and " " not in head:
            name = head
            found[name] = meaning.strip()
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    if found or text.strip() in ("", "none."):
        return found
    return {match[1]: match[2] or "" for match in _IN_SENTENCE.finditer(" ".join(text.split()))}


def list_passes(registry: Registry) -> str:
    """All passes with their summaries and options, then the aliases."""
    lines = ["Passes:"]
    for name in registry:
        lines += _brief(manual_of(registry[name]))
    if registry.aliases:
        lines.append("\nPipelines:")
        for alias, text in registry.aliases.items():
            lines += _entry(f"--{alias}", text.replace(",", ", "))
    lines.append("\nAny C++ pass of the MLIR bindings is a flag too, for example --canonicalize or --cse.")
    return "\n".join(lines)


def _brief(manual: Manual) -> list[str]:
    lines = _entry(f"--{manual.name}", manual.summary)
    for option in manual.options:
        lines += _entry(f"    {option}", _option_help(option))
    return lines


def _option_help(option: Option) -> str:
    standing = "required" if option.required else "" if option.default is None else f"default: {_shown(option.default)}"
    return f"{option.help}{f' ({standing})' if standing else ''}"


def _shown(value: object) -> str:
    return "''" if value == "" or value == () else str(value).lower() if isinstance(value, bool) else str(value)


def show_pass(pass_class: type[Pass]) -> str:
    """The whole documentation of one pass."""
    manual = manual_of(pass_class)
    lines = [f"{manual.name} (on {manual.anchor}): {manual.summary}", ""]
    if manual.body:
        lines += [manual.body, ""]
    if manual.options:
        lines.append("Options:")
        for option in manual.options:
            lines += _entry(str(option), _option_help(option))
        lines.append("")
    for title, text in manual.sections.items():
        lines += [f"{title}:", textwrap.indent(text, "  "), ""]
    return "\n".join(lines).rstrip()


def show_help(registry: Registry) -> str:
    """The options of the driver, then the passes."""
    lines = ["usage: polystage-opt [options] [input file, - for standard input]", "", "Options:"]
    for switch in SWITCHES.values():
        lines += _entry(switch.usage, switch.help)
    return "\n".join((*lines, "", list_passes(registry)))


def _entry(term: str, meaning: str) -> list[str]:
    indent = " " * 34
    wrapped = textwrap.wrap(
        meaning, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    head = f"  {term}"
    if not wrapped:
        return [head]
    if len(head) < len(indent) - 1:
        return [head.ljust(len(indent)) + wrapped[0].lstrip(), *wrapped[1:]]
    return [head, *wrapped]
