"""Pipelines with a name, all on one screen."""

from collections.abc import Mapping

_TENSORS = (
    "inline,symbol-dce,canonicalize,verify-linalg"  # sizes that are constants become static
    ",narrow-types"
    ",insert-slices"
    ",canonicalize"  # never cse: it shares initial values
    ",split-results"
    ",lower-tm-tensor"
    ",unshare-buffers"  # last: what comes before it shares initial values
)
_BUFFERS = (
    "one-shot-bufferize{bufferize-function-boundaries=1 function-boundary-type-conversion=identity-layout-map}"
    ",buffer-results-to-out-params{hoist-static-allocs=1 modify-public-functions=1 add-result-attr=1}"
    ",canonicalize"
    ",lower-copies"
)
_NESTS = (
    "func.func(linalg-generalize-named-ops,convert-linalg-to-affine-loops)"
    ",normalize-nests"
    ",inline-index-tables,split-domains"
    ",remove-dead-nests"
    ",name-arrays"
)
_LINEAR = (
    "refine-domains"
    ",split-dimensions,refine-domains"  # new dimensions are divisions in accesses
    ",merge-dimensions"  # before fills are cut to boxes
    ",shrink-fills,split-arrays"  # fills of several parts are cut first
    ",narrow-sums"
    ",pack-taps"
)

ALIASES: Mapping[str, str] = {
    "lower-to-affine": f"{_TENSORS},{_BUFFERS},{_NESTS},verify-normal-form",
    "optimize": "hoist-parameters,eliminate-copies,remove-dead-nests,fuse-nests,verify-normal-form",
    "to-placed": f"{_LINEAR},map-banks,bundle-parameters,pack-parameters,stage",
    # addresses last: lowering makes temporaries, overlap copies
    "to-npu": "lower-to-npu,skew-loops,order-instructions,pipeline-dma,allocate",
}
