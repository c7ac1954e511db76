"""Programs before and after the elimination of their copies, by hand, each elimination right."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """``before`` and ``after`` in the notation of `programs`, and the certificates of the later one."""

    before: str
    after: str
    certificates: str = ""


def certificate(kind: str, array: str, source: str, results: str, domain: str, casts: str = "") -> str:
    """One certificate; the dimensions of the map are d0, d1, ..., as many as the domain has extents."""
    rank = len(domain.split(","))
    dims = ", ".join(f"d{i}" for i in range(rank))
    bounds = domain if domain.startswith("affine_set") else f"array<i64: {domain}>"
    if domain.startswith("affine_set"):
        dims = domain[len("affine_set<(") : domain.index(")")]
    return (
        f'{{kind = "{kind}", array = "{array}", source = "{source}", map = affine_map<({dims}) -> ({results})>, '
        f"domain = {bounds}{f', casts = [{casts}]' if casts else ''}}}"
    )


FORWARD = Pair(
    """
    x: 4x6 input
    y: 6x4 output
    t0: 6x4
    t1: 6x4
    6 4 | t0[i, j] = x[j, i]
    6 4 | t1[i, j] = exp(t0[i, j])
    6 4 | y[i, j] = exp(t1[i, j])
    """,
    """
    x: 4x6 input
    y: 6x4 output
    t1: 6x4
    6 4 | t1[i, j] = exp(x[j, i]) | t1#0
    6 4 | y[i, j] = exp(t1[i, j]) | y#0
    """,
    certificate("forward", "t0", "x", "d1, d0", "6, 4"),
)

STRIDED = Pair(
    """
    x: 16 input
    y: 5 output
    t0: 5
    t1: 5
    5 | t0[i] = x[i * 3 + 1]
    5 | t1[-i + 4] = t0[i]
    5 | y[i] = exp(t1[i])
    """,
    """
    x: 16 input
    y: 5 output
    5 | y[i] = exp(x[13 - i * 3]) | y#0
    """,
    certificate("forward", "t1", "x", "13 - d0 * 3", "5"),
)

RESHAPE = Pair(
    """
    x: 4x6 input
    y: 8x3 output
    t0: 24
    t1: 8x3
    4 6 | t0[i * 6 + j] = x[i, j]
    8 3 | t1[i, j] = t0[i * 3 + j]
    8 3 | y[i, j] = exp(t1[i, j])
    """,
    """
    x: 4x6 input
    y: 8x3 output
    8 3 | y[i, j] = exp(x[i floordiv 2, (i mod 2) * 3 + j]) | y#0
    """,
    certificate("forward", "t1", "x", "d0 floordiv 2, (d0 mod 2) * 3 + d1", "8, 3"),
)

BROADCAST = Pair(
    """
    b: 6 parameter
    x: 4x6 input
    y: 4x6 output
    t0: 4x6
    4 6 | t0[i, j] = b[j]
    4 6 | y[i, j] = add(x[i, j], t0[i, j])
    """,
    """
    b: 6 parameter
    x: 4x6 input
    y: 4x6 output
    4 6 | y[i, j] = add(x[i, j], b[j]) | y#0
    """,
    certificate("forward", "t0", "b", "d1", "4, 6"),
)

PAD = Pair(
    """
    x: 4x4 input
    w: 3x3 parameter
    y: 4x4 output
    t0: 4x4
    t1: 6x6
    t2: 4x4
    4 4 | t0[i, j] = exp(x[i, j])
    6 6 | t1[i, j] = 0.0
    4 4 | t1[i + 1, j + 1] = t0[i, j]
    4 4 | t2[i, j] = 0.0
    4 4 3 3 | t2[i, j] += mul(t1[i + k, j + l], w[k, l])
    4 4 | y[i, j] = add(t2[i, j], t0[i, j])
    """,
    """
    x: 4x4 input
    w: 3x3 parameter
    y: 4x4 output
    t1: 6x6
    t2: 4x4
    6 | t1[0, i] = 0.0
    6 | t1[5, i] = 0.0
    4 | t1[i + 1, 0] = 0.0
    4 | t1[i + 1, 5] = 0.0
    4 4 | t1[i + 1, j + 1] = exp(x[i, j]) | t0#0
    4 4 | t2[i, j] = 0.0
    4 4 3 3 | t2[i, j] += mul(t1[i + k, j + l], w[k, l]) | t2#1
    4 4 | y[i, j] = add(t2[i, j], t1[i + 1, j + 1]) | y#0
    """,
    certificate("coalesce", "t0", "t1", "d0 + 1, d1 + 1", "4, 4"),
)

CONCAT = Pair(
    """
    x: 4x3 input
    y: 4x8 output
    z: 4x5 output
    t0: 4x3
    t1: 4x5
    t2: 4x8
    4 3 | t0[i, j] = exp(x[i, j])
    4 5 | t1[i, j] = exp(t0[i, 0])
    4 3 | t2[i, j] = t0[i, j]
    4 5 | t2[i, j + 3] = t1[i, j]
    4 8 | y[i, j] = exp(t2[i, j])
    4 5 | z[i, j] = exp(t1[i, j])
    """,
    """
    x: 4x3 input
    y: 4x8 output
    z: 4x5 output
    t2: 4x8
    4 3 | t2[i, j] = exp(x[i, j]) | t0#0
    4 5 | t2[i, j + 3] = exp(t2[i, 0]) | t1#0
    4 8 | y[i, j] = exp(t2[i, j]) | y#0
    4 5 | z[i, j] = exp(t2[i, j + 3]) | z#0
    """,
    certificate("coalesce", "t0", "t2", "d0, d1", "4, 3")
    + ", "
    + certificate("coalesce", "t1", "t2", "d0, d1 + 3", "4, 5"),
)

JOIN = Pair(
    """
    x: 8 input
    y: 8 output
    t0: 8
    5 | t0[i] = x[i + 3]
    3 | t0[i + 5] = x[i]
    8 | y[i] = exp(t0[i])
    """,
    """
    x: 8 input
    y: 8 output
    8 | y[i] = exp(x[(i + 3) mod 8]) | y#0
    """,
    certificate("join", "t0", "x", "(d0 + 3) mod 8", "8"),
)

SPLIT = Pair(
    """
    a: 4x3 input
    b: 4x5 input
    y: 4x9 output
    t0: 4x9
    4 3 | t0[i, j] = a[i, j]
    4 5 | t0[i, j + 3] = b[i, j]
    4 | t0[i, 8] = 0.0
    4 9 | y[i, j] = exp(t0[i, j])
    """,
    """
    a: 4x3 input
    b: 4x5 input
    y: 4x9 output
    4 3 | y[i, j] = exp(a[i, j]) | y#0
    4 5 | y[i, j + 3] = exp(b[i, j]) | y#0
    4 | y[i, 8] = exp(0.0) | y#0
    """,
    ", ".join(
        [
            certificate("split", "t0", "a", "d0, d1", "affine_set<(d0, d1) : (-d1 + 2 >= 0)>"),
            certificate("split", "t0", "b", "d0, d1 - 3", "affine_set<(d0, d1) : (d1 - 3 >= 0, -d1 + 7 >= 0)>"),
            '{kind = "split", array = "t0", domain = affine_set<(d0, d1) : (d1 - 8 == 0)>, value = 0.0 : f32}',
        ]
    ),
)

SPLIT_REDUCTION = Pair(
    """
    a: 4x3 input
    b: 4x5 input
    w: 8x6 parameter
    y: 4x6 output
    t0: 4x8
    t1: 4x6
    4 3 | t0[i, j] = a[i, j]
    4 5 | t0[i, j + 3] = b[i, j]
    4 6 | t1[i, j] = 0.0
    4 6 8 | t1[i, j] += mul(t0[i, k], w[k, j])
    4 6 | y[i, j] = exp(t1[i, j])
    """,
    """
    a: 4x3 input
    b: 4x5 input
    w: 8x6 parameter
    y: 4x6 output
    t1: 4x6
    4 6 | t1[i, j] = 0.0
    4 6 3 | t1[i, j] += mul(a[i, k], w[k, j]) | t1#1
    4 6 5 | t1[i, j] += mul(b[i, k], w[k + 3, j]) | t1#1
    4 6 | y[i, j] = exp(t1[i, j]) | y#0
    """,
)

INITIALISE = Pair(
    """
    x: 4x8 input
    w: 8x6 parameter
    c: 6 parameter
    y: 4x6 output
    t0: 4x6
    4 6 | t0[i, j] = c[j]
    4 6 8 | t0[i, j] += mul(x[i, k], w[k, j])
    4 6 | y[i, j] = exp(t0[i, j])
    """,
    """
    x: 4x8 input
    w: 8x6 parameter
    c: 6 parameter
    y: 4x6 output
    t0: 4x6
    4 6 | t0[i, j] = 0.0
    4 6 8 | t0[i, j] += mul(x[i, k], w[k, j]) | t0#1
    4 6 | y[i, j] = exp(add(t0[i, j], c[j])) | y#0
    """,
    certificate("initialise", "t0", "c", "d1", "4, 6"),
)

INITIALISE_APART = Pair(
    INITIALISE.before,
    """
    x: 4x8 input
    w: 8x6 parameter
    c: 6 parameter
    y: 4x6 output
    t0: 4x6
    t1: 4x6
    4 6 | t1[i, j] = 0.0
    4 6 8 | t1[i, j] += mul(x[i, k], w[k, j]) | t0#1
    4 6 | t0[i, j] = add(t1[i, j], c[j]) | t0#0
    4 6 | y[i, j] = exp(t0[i, j]) | y#0
    """,
)

REINDEXED = Pair(
    """
    x: 4x2x3 input
    w: 6 parameter
    y: 4 output
    t0: 4x6
    4 3 2 | t0[i, j * 2 + k] = x[i, k, j]
    4 | y[i] = 0.0
    4 6 | y[i] += mul(t0[i, j], w[j])
    """,
    """
    x: 4x2x3 input
    w: 6 parameter
    y: 4 output
    4 | y[i] = 0.0
    4 2 3 | y[i] += mul(x[i, j, k], w[k * 2 + j]) | y#1
    """,
)

CASTS = Pair(
    """
    x: 4x6xbf16 input
    y: 4x6xbf16 output
    t0: 4x6
    t1: 4x6
    4 6 | t0[i, j] = extf(x[i, j])
    4 6 | t1[i, j] = exp(t0[i, j])
    4 6 | y[i, j] = truncf(t1[i, j])
    """,
    """
    x: 4x6xbf16 input
    y: 4x6xbf16 output
    4 6 | y[i, j] = truncf(exp(extf(x[i, j]))) | t1#0
    """,
    certificate("forward", "t0", "x", "d0, d1", "4, 6", '"arith.extf"'),
)

OUTPUT = Pair(
    """
    x: 4x6 input
    y: 6x4 output
    t0: 4x6
    t1: 4x6
    4 6 | t0[i, j] = exp(x[i, j])
    4 6 | t1[i, j] = exp(t0[i, j])
    6 4 | y[i, j] = t0[j, i]
    """,
    """
    x: 4x6 input
    y: 6x4 output
    4 6 | y[j, i] = exp(x[i, j]) | t0#0
    """,
    certificate("coalesce", "t0", "y", "d1, d0", "4, 6"),
)

GATHER = Pair(
    """
    table: 10x6 parameter
    x: 4xi32 input
    y: 6x4 output
    t0: 4x6
    t1: 6x4
    4 6 | t0[i, j] = at(table, x[i], j)
    6 4 | t1[i, j] = t0[j, i]
    6 4 | y[i, j] = exp(t1[i, j])
    """,
    """
    table: 10x6 parameter
    x: 4xi32 input
    y: 6x4 output
    t0: 4x6
    4 6 | t0[i, j] = at(table, x[i], j) | t0#0
    6 4 | y[i, j] = exp(t0[j, i]) | y#0
    """,
    certificate("forward", "t1", "t0", "d1, d0", "6, 4"),
)

SCAN = Pair(
    """
    x: 8 input
    y: 9 output
    t0: 8
    t1: 9
    8 | t0[i] = x[7 - i]
    1 | t1[0] = 0.0
    8 | t1[i + 1] = add(t1[i], t0[i])
    9 | y[i] = exp(t1[i])
    """,
    """
    x: 8 input
    y: 9 output
    t1: 9
    1 | t1[0] = 0.0
    8 | t1[i + 1] = add(t1[i], x[7 - i]) | t1#1
    9 | y[i] = exp(t1[i]) | y#0
    """,
    certificate("forward", "t0", "x", "7 - d0", "8"),
)

TABLE = Pair(
    """
    x: 8 input
    zero: 8xf32 = 0.0
    y: 8 output
    t0: 8
    t1: 8xi32
    z: 8xi32 output
    8 | t0[i] = zero[i]
    8 | y[i] = add(x[i], t0[i])
    8 | t1[i] = index(i + 1)
    8 | z[i] = t1[7 - i]
    """,
    """
    x: 8 input
    y: 8 output
    z: 8xi32 output
    8 | y[i] = add(x[i], 0.0) | y#0
    8 | z[i] = index(8 - i)
    """,
)

PAIRS = {name.lower().replace("_", "-"): value for name, value in dict(globals()).items() if isinstance(value, Pair)}
