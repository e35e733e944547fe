"""The YAML head of a dataset card, which the hub and `datasets` read, and the licence of a whole pile."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from pydantic import JsonValue

from spikemill.services.common.catalog.schema import ARCHIVES
from spikemill.services.merger.provenance import PileRecord

# What each licence requires (attribution, share alike, no commerce), by the hub's name of it.
_DEMANDS = {
    "cc0-1.0": frozenset[str](),
    "cc-by-4.0": frozenset({"by"}),
    "cc-by-sa-4.0": frozenset({"by", "sa"}),
    "cc-by-nc-4.0": frozenset({"by", "nc"}),
    "cc-by-nc-sa-4.0": frozenset({"by", "nc", "sa"}),
}
_OTHER_NAMES = {"cc0": "cc0-1.0"}
_LONGEST_NAME = 96
# With `list`, `datasets` 2.19 would see another type here than in the shards, and not join the two.
_FEATURES = """\
  features:
  - name: spike_counts
    sequence:
      sequence: uint8
  - name: subject_id
    dtype: string
  - name: session_id
    dtype: string
  - name: segment_id
    dtype: string
  - name: source_dataset
    dtype: string
"""
# The hub's classes, each with the number of rows that is too many for it.
_SIZES = {
    "n<1K": 10**3,
    "1K<n<10K": 10**4,
    "10K<n<100K": 10**5,
    "100K<n<1M": 10**6,
    "1M<n<10M": 10**7,
    "10M<n<100M": 10**8,
    "100M<n<1B": 10**9,
    "1B<n<10B": 10**10,
    "10B<n<100B": 10**11,
    "100B<n<1T": 10**12,
}
_LARGEST = "n>1T"
# YAML reads these only where they are escaped; JSON leaves them as they are.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def card_head(pile: PileRecord) -> str:
    """Return the head, with both its marker lines.

    `num_examples` is exact, else `load_dataset` refuses the pile; `num_bytes` is a byte per token, what
    the counts take in memory. The hub knows no task that the data are for, so none is named.
    """
    split = pile.split
    sizes = {
        "train": (split.train_rows, split.train_tokens),
        "test": (split.test_rows, split.test_tokens),
    }
    files = "".join(
        f"  - split: {name}\n    path: data/{name}-*\n" for name, (rows, _) in sizes.items() if rows
    )
    splits = "".join(
        f"  - name: {name}\n    num_bytes: {tokens}\n    num_examples: {rows}\n"
        for name, (rows, tokens) in sizes.items()
        if rows
    )
    licence = pile_licence(pile.sources)
    name = f"license_name: {_quoted(licence.name)}\n" if licence.name else ""
    link = f"license_link: {_quoted(licence.link)}\n" if licence.link else ""
    size = next((name for name, limit in _SIZES.items() if split.rows < limit), _LARGEST)
    return (
        "---\n"
        f"pretty_name: {_quoted(pile.name)}\n"
        f"license: {licence.identifier}\n{name}{link}"
        "tags:\n- neuroscience\n- electrophysiology\n- spike-counts\n- time-series\n"
        f"size_categories:\n- {size}\n"
        f"configs:\n- config_name: default\n  data_files:\n{files}"
        f"dataset_info:\n{_FEATURES}  splits:\n{splits}"
        f"  download_size: {sum(shard.bytes for shard in pile.shards)}\n"
        f"  dataset_size: {split.tokens}\n"
        "---\n"
    )


def _quoted(text: str) -> str:
    """Return the text in double quotes, where every reader of YAML finds a text and no number or date."""
    return _UNPRINTABLE.sub(
        lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False)
    )


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
    """Return the page of a source in its archive, which states its licence."""
    archive = ARCHIVES.get(str(source.get("archive")))
    identifier, version = (quote(str(source.get(key, "")), safe="") for key in ("identifier", "version"))
    return archive.page.format(identifier=identifier, version=version) if archive and archive.page else None
