"""The patterns by which a source selects paths, for every archive."""

from collections.abc import Callable, Sequence
from unicodedata import normalize

from wcmatch import glob

_FLAGS = glob.GLOBSTAR | glob.CASE | glob.FORCEUNIX


def path_matcher(include: Sequence[str], exclude: Sequence[str] = ()) -> Callable[[str], bool]:
    """Return a test for paths: matched as a whole, case-sensitive, `**` crosses folders, `*` does not.

    As in a shell, a wildcard does not match a leading dot. Unicode normal forms do not matter.
    """
    included = _compiled(include)
    excluded = _compiled(exclude) if exclude else None

    def matches(path: str) -> bool:
        text = normalize("NFC", path)
        return included.match(text) and not (excluded is not None and excluded.match(text))

    return matches


def _compiled(patterns: Sequence[str]) -> glob.WcMatcher[str]:
    return glob.compile([normalize("NFC", pattern) for pattern in patterns], flags=_FLAGS)
