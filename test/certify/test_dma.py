"""The proof of transfers: right programs are accepted, and each planted error is refused under the law it breaks."""

import re
from collections.abc import Callable

import pytest
from torch_mlir import ir

from polystage import dialects
from polystage.analysis.nests import main_function
from polystage.certify.dma import LAWS, Verdict, check
from polystage.errors import UserError

TYPES = {
    "x": "memref<8x40xf32>",
    "y": "memref<8x40xf32>",
    "last": "memref<8x4xf32>",
    "a": "memref<8x2x4xf32, #npu.sbuf>",
    "b": "memref<8x2x4xf32, #npu.sbuf>",
    "c": "memref<8x4xf32, #npu.sbuf>",
    "d": "memref<8x4xf32>",
    "e": "memref<8x4xf32>",
}
ALLOC = "memref.alloc() {{npu.address = {} : i64}}"
WHOLE = "affine_map<(d0, d1) -> (d0, d1)>"
TILE = "affine_map<(d0, d1)[s0, s1] -> (d0, 4 * s0 + d1)>"
COPY = "affine_map<(d0, d1)[s0, s1] -> (d0, s1, d1)>"
OWN = "affine_map<(d0, d1)[s0] -> (d0, s0, d1)>"
PLAIN = "affine_map<(d0, d1)[s0] -> (d0, d1)>"
MAPS = {
    "load": (TILE, COPY),
    "store": (COPY, TILE),
    "all": (WHOLE, WHOLE),
    "own": (OWN,),
    "add": (OWN, OWN, OWN),
    "late": (OWN, OWN, PLAIN),
}


def instructions(text: str) -> str:
    """MLIR from lines like ``%t = dma_start load %x, %a, %i, %c`` and ``tensor_tensor add %b, %a, %a, %c``."""

    def full(match: re.Match[str]) -> str:
        op, maps, operands = match.groups()
        names = re.findall(r"%(\w+)", operands)
        types = ", ".join(TYPES.get(name, "index") for name in names)
        token = op == "dma_start"
        more = 'cause = "input"' if token else 'op = "add"' if op == "tensor_tensor" else "value = 1.0 : f32"
        taken = MAPS[maps][: 1 if op == "memset" else 3]
        attributes = f"{{{more}, maps = [{', '.join(taken)}], sizes = array<i64: 8, 4>}}"
        return f'"npu.{op}"({operands}) {attributes} : ({types}) -> {"!npu.token" if token else "()"}'

    text = re.sub(r"\b(dma_start|tensor_tensor|memset) (\w+) (%[%\w, ]+)", full, text)
    text = re.sub(r"\bwait (%\w+)", r'"npu.dma_wait"(\1) : (!npu.token) -> ()', text)
    text = re.sub(r"%(\w) at (\d+)", lambda m: f"%{m[1]} = {ALLOC.format(m[2])} : {TYPES[m[1]]}", text)
    return re.sub(r"%(\w+) := (.+) of (%\w+)", r"%\1 = affine.apply affine_map<(d0) -> (\2)>(\3)", text)


def proved(body: str, *, addresses: bool = True, max_operations: int = 1_000_000) -> Verdict:
    arguments = ", ".join(f"%{name}: {TYPES[name]}" for name in ("x", "last", "y"))
    with ir.Context() as context, ir.Location.unknown():
        dialects.register(context)
        module = ir.Module.parse(f"func.func @main({arguments}) {{\n{instructions(body)}\nreturn\n}}")
        return check(main_function(module.operation), addresses=addresses, max_operations=max_operations)


def laws(body: str) -> set[str]:
    found = {refusal.law for refusal in proved(body).refusals}
    assert found <= set(LAWS)
    return found


# twice each tile of x is stored to y, through copies that are used in turn; %last comes in the meantime
PIPELINED = """
%a at 0
%b at 32
%c at 64
%zero = affine.apply affine_map<() -> (0)>()
%one = affine.apply affine_map<() -> (1)>()
%nine = affine.apply affine_map<() -> (9)>()
%w = dma_start all %last, %c
%t0 = dma_start load %x, %a, %zero, %zero
%t1 = dma_start load %x, %a, %one, %one
wait %t0
tensor_tensor add %b, %a, %a, %zero
%s0 = dma_start store %b, %y, %zero, %zero
%l, %s = affine.for %i = 1 to 9 iter_args(%t = %t1, %u = %s0) -> (!npu.token, !npu.token) {
  %next := d0 + 1 of %i
  %there := (d0 + 1) mod 2 of %i
  %here := d0 mod 2 of %i
  %t2 = dma_start load %x, %a, %next, %there
  wait %t
  tensor_tensor add %b, %a, %a, %here
  wait %u
  %s2 = dma_start store %b, %y, %i, %here
  affine.yield %t2, %s2 : !npu.token, !npu.token
}
wait %l
wait %w
tensor_tensor late %b, %a, %c, %one
wait %s
%s9 = dma_start store %b, %y, %nine, %one
wait %s9
"""

Mutation = Callable[[str], str]


def changed(old: str, new: str) -> Mutation:
    def mutate(text: str) -> str:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        return text.replace(old, new)

    return mutate


def without(line: str) -> Mutation:
    return changed(line + "\n", "")


def moved(line: str, before: str) -> Mutation:
    """The one line that begins so goes before the one that begins like ``before``."""

    def mutate(text: str) -> str:
        lines = text.split("\n")
        (taken,) = [each for each in lines if re.match(rf"\s*{re.escape(line)}(?!\w)", each)]
        lines.remove(taken)
        place = next(i for i, each in enumerate(lines) if each.strip().startswith(before))
        return "\n".join([*lines[:place], taken, *lines[place:]])

    return mutate


MUTATIONS = {
    "a wait is dropped": (without("wait %s9"), "once"),
    "a wait for a carried token is dropped": (without("wait %l"), "once"),
    "a wait in a loop is dropped": (without("  wait %u"), "once"),
    "a wait comes twice": (changed("wait %w\n", "wait %w\nwait %w\n"), "once"),
    "a token is waited for in each iteration": (moved("wait %w", "%t2 ="), "once"),
    "a token is waited for and carried": (changed("  affine.yield", "  wait %t2\n  affine.yield"), "once"),
    "a load is waited for too late": (moved("wait %l", "%s9 ="), "destination"),
    "a load in a loop is waited for too late": (moved("wait %t", "affine.yield"), "destination"),
    "a parameter is waited for too late": (moved("wait %w", "%s9 ="), "destination"),
    "a store starts too early": (moved("%s9 =", "tensor_tensor late"), "source"),
    "a store in a loop starts too early": (moved("%s2 =", "tensor_tensor add %b, %a, %a, %here"), "source"),
    "the next tile goes into the copy in use": (changed("(d0 + 1) mod 2", "d0 mod 2"), "destination"),
    "the store reads the wrong copy": (changed("%b, %y, %i, %here", "%b, %y, %i, %there"), "source"),
    "the sum reads the wrong copy": (changed("%b, %a, %a, %here", "%b, %a, %a, %there"), "destination"),
    "the peeled sum reads the wrong copy": (changed("%b, %a, %a, %zero", "%b, %a, %a, %one"), "destination"),
    "the last sum writes the wrong copy": (changed("late %b, %a, %c, %one", "late %b, %a, %c, %zero"), "source"),
    "buffers share their last bytes": (changed("%c at 64", "%c at 60"), "destination"),
    "buffers share all their bytes": (changed("%c at 64", "%c at 32"), "destination"),
    "copies of two buffers overlap": (changed("%b at 32", "%b at 16"), "destination"),
    "tokens change places": (changed("yield %t2, %s2", "yield %s2, %t2"), "destination"),
    "tokens begin in the wrong place": (changed("%t = %t1, %u = %s0", "%t = %s0, %u = %t1"), "destination"),
}


def test_a_pipelined_loop_is_right() -> None:
    verdict = proved(PIPELINED)
    assert verdict.refusals == ()
    assert verdict.transfers == 7
    assert 0 < verdict.sets < verdict.pairs


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_planted_error_is_refused(name: str) -> None:
    mutate, law = MUTATIONS[name]
    assert law in laws(mutate(PIPELINED))


def test_stores_to_tiles_that_lie_apart_may_overlap_in_time() -> None:
    late = moved("wait %u", "affine.yield")(PIPELINED)
    assert laws(late) == set()
    assert laws(changed("%b, %y, %i, %here", "%b, %y, %one, %here")(late)) == {"destination"}


def test_before_allocation_buffers_have_bytes_of_their_own() -> None:
    assert laws(changed("%c at 64", "%c at 32")(PIPELINED)) == {"destination"}
    assert proved(changed("%c at 64", "%c at 32")(PIPELINED), addresses=False).refusals == ()
    assert proved(moved("wait %w", "%s9 =")(PIPELINED), addresses=False).refusals


def test_a_missing_address_is_the_users_error() -> None:
    with pytest.raises(UserError, match="run allocate first"):
        proved("%c = memref.alloc() : memref<8x4xf32, #npu.sbuf>\nmemset all %c")


def test_a_question_that_takes_too_long_is_refused() -> None:
    refusals = proved(PIPELINED, max_operations=1).refusals
    assert {refusal.law for refusal in refusals} == {"not proved"}
    assert "needs more than 1 isl operations" in refusals[0].message


def test_the_refusal_names_both_instructions_and_an_iteration() -> None:
    messages = [refusal.message for refusal in proved(changed("(d0 + 1) mod 2", "d0 mod 2")(PIPELINED)).refusals]
    assert (
        "'npu.dma_start' writes bytes 0 to 31 of each lane of sbuf (dst) while 'npu.dma_start' in flight "
        "writes bytes 16 to 31 of each lane of sbuf (dst), for example at iv0 = 1; wait for the transfer first"
    ) in messages


def test_addresses_in_dram_are_compared() -> None:
    body = """
    %d at 0
    %e at {}
    %c at 0
    memset all %c
    %t = dma_start all %c, %d
    %u = dma_start all %c, %e
    wait %t
    wait %u
    """
    assert laws(body.format(128)) == set()
    assert laws(body.format(124)) == {"destination"}


def test_a_loop_that_never_runs_conflicts_with_nothing() -> None:
    body = """
    %c at 0
    %t = dma_start all %last, %c
    affine.for %i = 0 to {} {{
      memset all %c
    }}
    wait %t
    """
    assert laws(body.format(0)) == set()
    assert laws(body.format(1)) == {"destination"}


def test_a_token_may_pass_through_iterations_and_loops() -> None:
    body = """
    %a at 0
    %zero = affine.apply affine_map<() -> (0)>()
    %t = dma_start load %x, %a, %zero, %zero
    %r = affine.for %i = 0 to 3 iter_args(%u = %t) -> (!npu.token) {{
      {}
      affine.yield %u : !npu.token
    }}
    wait %r
    """
    one = "%one = affine.apply affine_map<() -> (1)>()\n memset {} %a, %{}"
    assert laws(body.format(one.format("own", "one"))) == set()
    assert laws(body.format(one.format("own", "zero"))) == {"destination"}
    other = "%copy := {} of %i\n memset own %a, %copy"
    assert laws(body.format(other.format("d0 floordiv 2"))) == {"destination"}  # copy 0 in the first two iterations
    assert laws(body.format(other.format("(d0 + 3) floordiv 3"))) == set()


def test_a_token_is_not_followed_for_ever() -> None:
    body = """
    %c at 0
    %t = dma_start all %last, %c
    %r = affine.for %i = 0 to 100 iter_args(%u = %t) -> (!npu.token) {
      affine.yield %u : !npu.token
    }
    wait %r
    """
    assert laws(body) == {"not proved"}
