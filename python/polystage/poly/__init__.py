"""The polyhedral layer: domains, access functions, composition, inverses, dependences, counting (DESIGN section 3).

The only importer of islpy. Dimensions have names here and outside; positions and isl objects stay inside.
Values are frozen and immutable; :func:`bounded` limits the work of any call.
"""

from .access import (
    Access,
    Linear,
    bounds,
    box_image,
    compose,
    equal,
    footprint,
    identity,
    image,
    in_bounds,
    injective,
    linear,
    used_dimensions,
)
from .bound import OperationBoundError, bounded
from .dependence import Dependence, dependences
from .domain import Domain, count, equal_sets, subset, union
from .extract import Reference, Statement, array_names, statements
from .inverse import inverse
from .maps import from_affine_map, to_affine_map
from .split import divisors, split

__all__ = [
    "Access",
    "Dependence",
    "Domain",
    "Linear",
    "OperationBoundError",
    "Reference",
    "Statement",
    "array_names",
    "bounded",
    "bounds",
    "box_image",
    "compose",
    "count",
    "dependences",
    "divisors",
    "equal",
    "equal_sets",
    "footprint",
    "from_affine_map",
    "identity",
    "image",
    "in_bounds",
    "injective",
    "inverse",
    "linear",
    "split",
    "statements",
    "subset",
    "to_affine_map",
    "union",
    "used_dimensions",
]
