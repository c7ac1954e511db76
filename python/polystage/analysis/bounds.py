"""Lower bounds that no schedule beats: DRAM bytes, and time.

Bytes. *Compulsory*: what any schedule moves (``compulsory``), of the imported model or of what is left of it when
parameters are folded at load time, whichever is less. *Communication* of one contraction of ``I``
multiply-accumulates in a memory of ``S`` elements: it moves at least ``2 I / sqrt(rho S) - 2 S`` elements. For matrix
products ``rho`` = 1: Smith, Lowery, Langou, van de Geijn, "A tight I/O lower bound for matrix multiplication", 2019,
arXiv:1702.02017; the same leading term in Kwasniewski et al., SC 2019, arXiv:1908.09606; the order is due to Irony,
Toledo, Tiskin, JPDC 64, 2004. For convolutions ``rho`` is the number of windows that share an input element,
``ceil(R / stride) * ceil(S / stride)``: Chen, Han, Wang, HPCA 2020, arXiv:1911.05662; the order is that of the
small-filter bound of Demmel and Dinh, 2018, arXiv:1802.06905.

Why it holds for a nest as we read it. Cut a schedule where ``2 S`` elements have been read, the first use of an element
of the result counted as a read, for which its store pays. A piece has at most ``3 S`` elements of the three arrays at
hand. Every loop occurs in at least two of the three accesses, so the points of a piece are at most sqrt(product of the
points of its three projections) (Loomis-Whitney, Shearer), and an element stands for at most ``rho`` points of its
projection. That is at most ``sqrt(rho) S^1.5`` multiply-accumulates a piece, and all pieces but the last are full.

What is compared. The bound of one contraction is for operands that come from DRAM and a result that goes there. Inside
a model an array that is no function argument may live and die on chip: as many elements may be saved as it has, and
they are subtracted. ``S`` is SBUF and PSUM together, in elements of the narrowest of the three arrays. The bounds are
for different things and never added: compulsory bytes are of all arguments, a communication bound is of one nest, and
schedules may interleave nests. The bound of a model is the greatest of them.

Time. ``compute_us``: the multiply-accumulates of the model at the matrix engine's peak rate for their element type,
those of a type that it does not take at its best rate. ``dram_us``: the bound in bytes at the rate at which bytes reach
the core, the lesser of DRAM and DMA bandwidth. What vector engines could add to the peak is left out.

Not handled: contractions whose accesses are no linear functions, or with a loop in one access only; they have no
communication bound. Recomputing an operand on chip from less than itself is taken not to happen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, gcd, prod, sqrt

from torch_mlir import ir

from polystage.analysis.compulsory import compulsory, macs_by_element
from polystage.analysis.nest_reader import read_nest
from polystage.analysis.nests import Access, Linear, Load, Nest, NotANestError, NotLinearError, main_function, top_nests
from polystage.analysis.reductions import product_of, reduction_of
from polystage.analysis.values import array_name
from polystage.dialects.npu import element_bytes
from polystage.machine import Machine


@dataclass(frozen=True)
class Contraction:
    """What one contraction alone moves at least, ``bytes``, and what of that remains inside the model, ``kept``.

    ``result`` is the name of the array it makes, ``rho`` as in the module's text, ``macs`` its multiply-accumulates.
    """

    result: str
    macs: int
    rho: int
    bytes: int
    kept: int


@dataclass(frozen=True)
class Bounds:
    """Bounds of a model: DRAM bytes, microseconds; ``binding`` is the contraction with the greatest bound, if
    one has a bound above 0.
    """

    compulsory_bytes: int
    communication_bytes: int
    binding: Contraction | None
    compute_us: float
    dram_us: float

    @property
    def bytes(self) -> int:
        """DRAM bytes that any schedule moves."""
        return max(self.compulsory_bytes, self.communication_bytes)

    @property
    def us(self) -> float:
        """Microseconds that any schedule takes."""
        return max(self.compute_us, self.dram_us)


def bounds(affine: ir.Operation, optimized: ir.Operation, machine: Machine) -> Bounds:
    """Bounds of a model: bytes and arithmetic from its imported form, contractions from where copies are gone."""
    least = min(compulsory(affine).total, compulsory(optimized).total)
    found = [contraction for contraction in contractions(optimized, machine) if contraction.kept]
    binding = max(found, key=lambda contraction: contraction.kept, default=None)
    communication = binding.kept if binding else 0
    rate = min(machine.dram.bytes_per_s, machine.dma.bytes_per_s)
    dram_us = max(least, communication) / rate * 1e6
    return Bounds(least, communication, binding, _compute_us(macs_by_element(affine), machine), dram_us)


def contractions(module: ir.Operation, machine: Machine) -> tuple[Contraction, ...]:
    """The contractions of a module in affine normal form that have a communication bound, in program order."""
    capacity = machine.sbuf_bytes + machine.psum.lanes * machine.psum.bytes_per_lane
    with module.context:
        return tuple([found for nest in _nests(module) if (found := communication(nest, capacity)) is not None])


def communication(nest: Nest, capacity: int) -> Contraction | None:
    """The bound of one nest in ``capacity`` bytes of on-chip memory; None where it has none."""
    accesses = _operands(nest)
    if accesses is None or not _covered(nest, accesses):
        return None
    size = min(_element_bytes(access) for access in accesses)
    elements, macs = capacity // size, prod(nest.extents)
    rho = prod(shared_by(index, nest.extents) for access in accesses for index in access.indices)
    alone = max(0, ceil(2 * macs / sqrt(rho * elements) - 2 * elements)) * size
    on_chip = sum(_touched(access, nest.extents) * size for access in accesses if not _is_argument(access.array))
    return Contraction(array_name(nest.store.array), macs, rho, alone, max(0, alone - on_chip))


def shared_by(index: Linear, extents: Sequence[int]) -> int:
    """At most how many points of the loops in ``index`` have the same value: exact up to two loops."""
    terms = [(abs(index.dims[loop]), extents[loop]) for loop in index.support if extents[loop] > 1]
    if len(terms) < 2:
        return 1
    pairs = [(a, b) for position, a in enumerate(terms) for b in terms[:position]]
    points = prod(extent for _, extent in terms)
    return min(_shared_by_two(a, b) * points // (a[1] * b[1]) for a, b in pairs)


def _shared_by_two(a: tuple[int, int], b: tuple[int, int]) -> int:
    """Solutions of ``a x + b y = c`` lie ``b / gcd`` apart in x and ``a / gcd`` in y."""
    common = gcd(a[0], b[0])
    return min(ceil(a[1] * common / b[0]), ceil(b[1] * common / a[0]))


def _nests(module: ir.Operation) -> Iterator[Nest]:
    for op in top_nests(main_function(module)):
        try:
            yield read_nest(op)
        except (NotLinearError, NotANestError):
            continue


def _operands(nest: Nest) -> tuple[Access, Access, Access] | None:
    """The accesses of both factors and of the result, where the nest is a contraction."""
    reduction = reduction_of(nest)
    product = product_of(nest, reduction) if reduction is not None else None
    if product is None:
        return None
    left, right = nest.nodes[product.lhs], nest.nodes[product.rhs]
    assert isinstance(left, Load)
    assert isinstance(right, Load)
    return left.access, right.access, nest.store.access


def _covered(nest: Nest, accesses: Sequence[Access]) -> bool:
    """Whether every loop occurs in at least two of the accesses."""
    loops = [loop for loop, extent in enumerate(nest.extents) if extent > 1]
    return all(sum(loop in access.support for access in accesses) >= 2 for loop in loops)


def _touched(access: Access, extents: Sequence[int]) -> int:
    """The elements of the box that the access reaches, at most all of the array."""
    box = [high - low + 1 for low, high in (index.span(extents) for index in access.indices)]
    return min(prod(box), prod(ir.MemRefType(access.array.type).shape))


def _element_bytes(access: Access) -> int:
    return element_bytes(ir.MemRefType(access.array.type).element_type)


def _is_argument(array: ir.Value) -> bool:
    return isinstance(array.owner, ir.Block)


def _compute_us(macs: Mapping[str, int], machine: Machine) -> float:
    matrix = machine.matrix
    best = max(matrix.tflops(element) for element in matrix.cycle_factor)
    rates = {element: matrix.tflops(element) if element in matrix.cycle_factor else best for element in macs}
    return sum(2 * count / (rates[element] * 1e6) for element, count in macs.items())
