"""Programs in affine normal form from one line a nest, so that a pair of programs fits on a screen.

``x: 4x6 input`` declares an argument, ``t0: 6x8`` an allocation (f32 unless written ``4x6xbf16``), ``c: 4 = [...]`` a
global constant. ``4 6 | t0[i + 1, j] = x[i, j] | t0#0`` is a nest over i < 4, j < 6 with an origin, which may be left
out. Values are loads, numbers, and ``exp relu add mul max sub extf truncf index at`` of values; ``at(x, v, j)`` loads
``x`` at the index value ``v``. ``+=`` and ``max=`` accumulate.
"""

import re
from dataclasses import dataclass, field

IVS = "ijklmn"
UNARY = {"exp": "math.exp", "neg": "arith.negf"}
BINARY = {"add": "arith.addf", "mul": "arith.mulf", "max": "arith.maximumf", "sub": "arith.subf"}


def program(text: str, certificates: str = "") -> str:
    """The module that the lines of ``text`` describe."""
    arrays: dict[str, str] = {}
    arguments: list[str] = []
    globals_: list[str] = []
    body: list[str] = []
    for line in filter(None, (each.strip() for each in text.splitlines())):
        if "|" in line:
            body += _Nest(line, arrays).lines
            continue
        name, _, rest = line.partition(":")
        shape, _, kind = rest.strip().partition(" ")
        arrays[name] = shape if re.search(r"[a-z]+\d+$", shape.split("x")[-1]) else f"{shape}xf32"
        if kind.startswith("="):
            arrays[name] = arrays[name].replace("xf32", "xi32") if "." not in kind else arrays[name]
            type_ = f"memref<{arrays[name]}>"
            value = f"dense<{kind[1:].strip()}> : tensor<{arrays[name]}>"
            globals_.append(f'memref.global "private" constant @{name} : {type_} = dense<{kind[1:].strip()}>')
            assert value
            body.append(f"%{name} = memref.get_global @{name} : {type_}")
        elif kind:
            attributes = f'{{polystage.kind = "{kind}", polystage.name = "{name}"}}'
            arguments.append(f"%{name}: memref<{arrays[name]}> {attributes}")
        else:
            body.append(f'%{name} = memref.alloc() {{polystage.name = "{name}"}} : memref<{arrays[name]}>')
    given = f" attributes {{polystage.certificates = [{certificates}]}}" if certificates else ""
    return "\n".join(
        [
            f"module{given} {{",
            *globals_,
            f"func.func @main({', '.join(arguments)}) {{",
            *body,
            "return",
            "}",
            "}",
        ]
    )


@dataclass
class _Nest:
    """One line as the operations of a nest."""

    line: str
    arrays: dict[str, str]
    inner: list[str] = field(default_factory=list[str])
    count: int = 0

    @property
    def lines(self) -> list[str]:
        loops, statement, *origin = (part.strip() for part in self.line.split("|"))
        match = re.fullmatch(r"(\w+)\[(.*?)\] (\+=|max=|=) (.*)", statement)
        assert match, statement
        target, index, how, value = match.groups()
        result = self.value(value)
        if how != "=":
            own = self.load(target, index)
            result = self.emit("arith.addf" if how == "+=" else "arith.maximumf", own, result)
        self.inner.append(f"affine.store %{result[0]}, %{target}[{_ivs(index)}] : memref<{self.arrays[target]}>")
        extents = loops.split()
        heads = [f"affine.for %{iv} = 0 to {extent} {{" for iv, extent in zip(IVS, extents, strict=False)]
        tail = f'}} {{polystage.origin = "{origin[0]}"}}' if origin else "}"
        return [*heads, *self.inner, *["}"] * (len(heads) - 1), tail]

    def value(self, text: str) -> tuple[str, str]:
        text = text.strip()
        if match := re.fullmatch(r"(\w+)\((.*)\)", text):
            return self.call(match.group(1), _split(match.group(2)))
        if match := re.fullmatch(r"(\w+)\[(.*)\]", text):
            return self.load(*match.groups())
        number, _, type_ = text.partition(":")
        return self.new(f"arith.constant {number} : {type_ or 'f32'}", type_ or "f32")

    def call(self, name: str, operands: list[str]) -> tuple[str, str]:
        if name == "index":
            index = self.new(
                f"affine.apply affine_map<({', '.join(IVS)}) -> ({operands[0]})>(%i, %i, %i, %i, %i, %i)", ""
            )
            return self.new(f"arith.index_cast %{index[0]} : index to i32", "i32")
        if name == "at":
            array, picked, *others = operands
            index = self.new(f"arith.index_cast %{self.value(picked)[0]} : i32 to index", "")
            type_ = self.arrays[array]
            where = ", ".join([f"%{index[0]}", *map(_ivs, others)])
            return self.new(f"memref.load %{array}[{where}] : memref<{type_}>", type_.split("x")[-1])
        values = [self.value(each) for each in operands]
        if name in ("extf", "truncf"):
            to = "f32" if name == "extf" else "bf16"
            return self.new(f"arith.{name} %{values[0][0]} : {values[0][1]} to {to}", to)
        return self.emit(UNARY.get(name) or BINARY[name], *values)

    def load(self, array: str, index: str) -> tuple[str, str]:
        type_ = self.arrays[array]
        return self.new(f"affine.load %{array}[{_ivs(index)}] : memref<{type_}>", type_.split("x")[-1])

    def emit(self, op: str, *values: tuple[str, str]) -> tuple[str, str]:
        type_ = values[0][1]
        return self.new(f"{op} {', '.join(f'%{name}' for name, _ in values)} : {type_}", type_)

    def new(self, op: str, type_: str) -> tuple[str, str]:
        self.count += 1
        self.inner.append(f"%{self.count} = {op}")
        return str(self.count), type_


def _ivs(index: str) -> str:
    return re.sub(rf"\b([{IVS}])\b", r"%\1", index)


def _split(text: str) -> list[str]:
    """The parts between commas that no bracket encloses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
