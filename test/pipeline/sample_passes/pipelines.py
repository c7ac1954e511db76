from collections.abc import Mapping

ALIASES: Mapping[str, str] = {
    "tidy": "canonicalize,cse",
    "tidy-and-count": "builtin.module(tidy,func.func(count-loads{weight=2}))",
}
