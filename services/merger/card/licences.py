"""The licence of a pile as a whole: the most restrictive of its sources'."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from pydantic import JsonValue

# What each licence asks of whoever uses the data, by the hub's own name of it.
_DEMANDS = {
    "cc0-1.0": frozenset[str](),
    "cc-by-4.0": frozenset({"by"}),
    "cc-by-sa-4.0": frozenset({"by", "sa"}),
    "cc-by-nc-4.0": frozenset({"by", "nc"}),
    "cc-by-nc-sa-4.0": frozenset({"by", "nc", "sa"}),
}
_OTHER_NAMES = {"cc0": "cc0-1.0"}
_LONGEST_NAME = 96


class Licence(NamedTuple):
    """A licence as the hub wants it: `name` and `link` are for what it has no name of its own for."""

    identifier: str
    name: str | None = None
    link: str | None = None


def pile_licence(sources: Sequence[Mapping[str, JsonValue]]) -> Licence:
    """Return the licence that asks all that any of the sources asks.

    A licence that the hub does not know, or none, is taken to be more restrictive than any that it knows.
    """
    unknown = [source for source in sources if _key(source) not in _DEMANDS]
    if unknown or not sources:
        return _other(unknown)
    demands = frozenset[str]().union(*(_DEMANDS[_key(source)] for source in sources))
    return Licence(next(name for name, asked in _DEMANDS.items() if asked == demands))


def _key(source: Mapping[str, JsonValue]) -> str:
    """Return the licence as the hub writes it, where that only differs in case, blanks and custom."""
    name = "-".join(str(source.get("license") or "not stated").lower().split())
    return _OTHER_NAMES.get(name, name)


def _other(sources: Sequence[Mapping[str, JsonValue]]) -> Licence:
    """Name the licences that the hub does not know; link the source, where there is but one to look at."""
    names = sorted({_identifier(_key(source)) for source in sources}) or ["not-stated"]
    link = _page(sources[0]) if len(sources) == 1 else None
    return Licence("other", "-and-".join(names)[:_LONGEST_NAME].strip("-."), link)


def _identifier(text: str) -> str:
    """Return a text as the hub writes names of licences: `LicenseRef-Allen` as `licenseref-allen`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.]+", "-", plain.lower()).strip("-.") or "not-stated"


def _page(source: Mapping[str, JsonValue]) -> str | None:
    """Return where an archive shows a source and says how it may be used."""
    identifier, version = (quote(str(source.get(key, "")), safe="") for key in ("identifier", "version"))
    pages = {
        "dandi": f"https://dandiarchive.org/dandiset/{identifier}/{version}",
        "figshare": f"https://figshare.com/articles/_/{identifier}/{version}",
    }
    return pages.get(str(source.get("archive")))
