"""The command line of an ``mlir-opt``-like driver: its options as data, and what the user asked for as a value.

LLVM's conventions hold: one dash or two, ``--name=value`` or ``--name value``, ``--flag=false``. An option that is
not listed here is the flag of a pass, with the options of the pass as its value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polystage.errors import UserError
from polystage.pipeline.options import split_options
from polystage.pipeline.plan import MODULE
from polystage.pipeline.text import Element, format_elements


@dataclass(frozen=True)
class Switch:
    """An option of the driver. ``value`` names its value in the help; empty for a flag, in brackets if optional."""

    name: str
    value: str
    help: str

    @property
    def usage(self) -> str:
        """How it is written."""
        dashes = "-" if len(self.name) == 1 else "--"
        separator = " " if len(self.name) == 1 else "="
        if self.value.startswith("["):
            return f"{dashes}{self.name}[={self.value[1:-1]}]"
        return f"{dashes}{self.name}{separator}{self.value}" if self.value else f"{dashes}{self.name}"


SWITCHES: Mapping[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch("o", "FILE", "write the result to FILE, whole or not at all (default: standard output)"),
        Switch("pass-pipeline", "TEXT", "passes to run, as in 'builtin.module(a,func.func(b{opt=1}))'"),
        Switch("split-input-file", "", "treat the parts of the input between '// -----' lines each by itself"),
        Switch(
            "verify-diagnostics",
            "[all|only-expected]",
            "compare diagnostics with expected-error/-warning/-remark/-note comments instead of printing them; "
            "only-expected lets unexpected ones pass",
        ),
        Switch("verify-each", "[BOOL]", "verify the IR after each pass (default: true)"),
        Switch("no-verify-each", "", "the same as --verify-each=false"),
        Switch("allow-unregistered-dialect", "", "accept operations of unknown dialects"),
        Switch("mlir-print-ir-before", "[PASS,...]", "print the IR before these passes (without value: before all)"),
        Switch("mlir-print-ir-after", "[PASS,...]", "print the IR after these passes (without value: after all)"),
        Switch("mlir-print-ir-before-all", "", "print the IR before each pass"),
        Switch("mlir-print-ir-after-all", "", "print the IR after each pass"),
        Switch("mlir-print-ir-module-scope", "", "when printing IR around a pass, print the whole module"),
        Switch("mlir-print-debuginfo", "", "print locations"),
        Switch("mlir-print-op-generic", "", "print the generic form of operations"),
        Switch("mlir-print-local-scope", "", "print without aliases for attributes and types"),
        Switch("mlir-elide-elementsattrs-if-larger", "N", "print '...' for dense constants of more than N elements"),
        Switch("mlir-elide-resource-strings-if-larger", "N", "leave out resources of more than N characters"),
        Switch("mlir-timing", "", "print the wall time of each pass"),
        Switch(
            "mlir-pass-statistics",
            "",
            "print what Python passes counted (the C++ passes of the bindings are built without)",
        ),
        Switch("mlir-disable-threading", "", "run C++ passes on one thread"),
        Switch(
            "mlir-pass-pipeline-crash-reproducer",
            "FILE",
            "keep the input and the command in FILE if anything fails, even if C++ code aborts",
        ),
        Switch("dump-pass-pipeline", "", "print the pipeline with aliases expanded and all options of Python passes"),
        Switch("load-pass-package", "DIR|NAME", "also find passes in this package"),
        Switch("show-passes", "[PASS]", "list the passes, or show the whole documentation of one"),
        Switch("help", "", "show this"),
    )
}
_ALL = frozenset({"*"})


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    input: str = "-"
    output: str = "-"
    pipeline: str = ""
    split: bool = False
    verify_diagnostics: str = ""  # empty, all, only-expected
    verify_each: bool = True
    allow_unregistered: bool = False
    print_before: frozenset[str] = frozenset()  # names of passes; * is all
    print_after: frozenset[str] = frozenset()
    print_module: bool = False
    debug_info: bool = False
    generic: bool = False
    local_scope: bool = False
    large_elements: int | None = None
    large_resources: int | None = None
    timing: bool = False
    statistics: bool = False
    threading: bool = True
    reproducer: str = ""
    dump_pipeline: bool = False
    packages: tuple[str, ...] = ()
    show_passes: str | None = None  # empty is all
    help: bool = False

    @property
    def apart(self) -> bool:
        """Whether C++ passes must run one by one, to be observed."""
        return bool(self.print_before or self.print_after or self.timing)


def read_command_line(arguments: Sequence[str]) -> Settings:
    """Read the arguments after the name of the program.

    :raises UserError: an option without its value or with a wrong one, two inputs, or both forms of a pipeline.
    """
    reader = _Reader(arguments)
    reader.read()
    given = reader.given
    if len(reader.inputs) > 1:
        raise UserError(f"more than one input: {', '.join(reader.inputs)}")
    if reader.passes and "pass-pipeline" in given:
        raise UserError(f"--pass-pipeline and the pass flag --{reader.passes[0].name} exclude each other")
    pipeline = f"{MODULE}({format_elements(reader.passes)})" if reader.passes else given.get("pass-pipeline", "")
    return Settings(
        input=reader.inputs[0] if reader.inputs else "-",
        output=given.get("o", "-"),
        pipeline=pipeline,
        split=reader.flag("split-input-file"),
        verify_diagnostics=reader.one_of("verify-diagnostics", "all", "only-expected"),
        verify_each=reader.flag("verify-each", default=True) and not reader.flag("no-verify-each"),
        allow_unregistered=reader.flag("allow-unregistered-dialect"),
        print_before=reader.names("mlir-print-ir-before"),
        print_after=reader.names("mlir-print-ir-after"),
        print_module=reader.flag("mlir-print-ir-module-scope"),
        debug_info=reader.flag("mlir-print-debuginfo"),
        generic=reader.flag("mlir-print-op-generic"),
        local_scope=reader.flag("mlir-print-local-scope"),
        large_elements=reader.number("mlir-elide-elementsattrs-if-larger"),
        large_resources=reader.number("mlir-elide-resource-strings-if-larger"),
        timing=reader.flag("mlir-timing"),
        statistics=reader.flag("mlir-pass-statistics"),
        threading=not reader.flag("mlir-disable-threading"),
        reproducer=given.get("mlir-pass-pipeline-crash-reproducer", ""),
        dump_pipeline=reader.flag("dump-pass-pipeline"),
        packages=tuple(reader.packages),
        show_passes=given.get("show-passes"),
        help=reader.flag("help"),
    )


class _Reader:
    def __init__(self, arguments: Sequence[str]) -> None:
        self.rest = list(arguments)
        self.given: dict[str, str] = {}
        self.passes: list[Element] = []
        self.inputs: list[str] = []
        self.packages: list[str] = []

    def read(self) -> None:
        while self.rest:
            argument = self.rest.pop(0)
            if argument == "-" or not argument.startswith("-"):
                self.inputs.append(argument)
                continue
            name, equals, value = argument.lstrip("-").partition("=")
            switch = SWITCHES.get("help" if name == "h" else name)
            if switch is None:
                self.passes.append(_pass_flag(argument, name, value if equals else None))
                continue
            if not equals and switch.value and not switch.value.startswith("["):
                value = self.next_value(switch)
            self.take(switch, value)

    def next_value(self, switch: Switch) -> str:
        if not self.rest:
            raise UserError(f"option {switch.usage} lacks its value")
        return self.rest.pop(0)

    def take(self, switch: Switch, value: str) -> None:
        if switch.name == "load-pass-package":
            self.packages.append(value)
        elif switch.name in self.given:
            raise UserError(f"option {switch.usage} is given twice")
        else:
            self.given[switch.name] = value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.given.get(name)
        if value is None:
            return default
        if value.lower() not in ("", "0", "1", "true", "false"):
            raise UserError(f"option --{name} takes true or false, not '{value}'")
        return value.lower() in ("", "1", "true")

    def one_of(self, name: str, default: str, *others: str) -> str:
        """The given choice, ``default`` if given without value, empty if not given."""
        value = self.given.get(name)
        if value is None:
            return ""
        if value and value not in (default, *others):
            raise UserError(f"option --{name} takes {' or '.join((default, *others))}, not '{value}'")
        return value or default

    def names(self, name: str) -> frozenset[str]:
        if self.flag(f"{name}-all"):
            return _ALL
        value = self.given.get(name)
        if value is None:
            return frozenset()
        return frozenset(filter(None, value.split(","))) or _ALL

    def number(self, name: str) -> int | None:
        value = self.given.get(name)
        if value is None:
            return None
        if not value.isdigit():
            raise UserError(f"option --{name} takes a number, not '{value}'")
        return int(value)


def _pass_flag(argument: str, name: str, options: str | None) -> Element:
    if not name or not all(char.isalnum() or char in "-_." for char in name):
        raise UserError(f"'{argument}' is neither an option nor the flag of a pass")
    if options is not None:
        split_options(options)
    return Element(name, options)
