"""Which paths of an archive a source takes: one matcher for every archive."""

from collections.abc import Callable, Sequence

from wcmatch import glob

_FLAGS = glob.GLOBSTAR | glob.CASE | glob.FORCEUNIX


def path_matcher(include: Sequence[str], exclude: Sequence[str] = ()) -> Callable[[str], bool]:
    """Return a test for paths: matched as a whole, case-sensitive, `**` crosses folders, `*` does not.

    As in a shell, a wildcard does not match a name's leading dot.
    """
    included = glob.compile(list(include), flags=_FLAGS)
    excluded = glob.compile(list(exclude), flags=_FLAGS) if exclude else None
    return lambda path: included.match(path) and not (excluded is not None and excluded.match(path))
