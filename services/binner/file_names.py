"""What errors call a file: its path in the archive, for a copy's own name tells nobody anything."""

import re
from collections import defaultdict
from collections.abc import Iterable


def name_as_archive(text: str, files: Iterable[tuple[str, str]]) -> str:
    """Put the paths in the archive for the names in a text; `files` pairs the name here with the path there.

    Longer names go first, for one may end as another does. A name that several files bear becomes all paths.
    """
    paths = defaultdict(list)
    for name, path in files:
        paths[name].append(path)
    names = sorted(paths, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, names)), lambda found: " or ".join(paths[found[0]]), text)
