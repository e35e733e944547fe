"""The sources of a pile on its card: tokens, licences, what is missing, and the YAML head."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from pydantic import JsonValue

from spikemill.services.common.catalog.readers import estimating_readers
from spikemill.services.merger.provenance import PileRecord, Provenance, SessionRecord

_COLUMNS = ("source", "from", "species", "licence", "bin", "subjects", "sessions", "rows", "tokens")
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


def sources_section(provenance: Provenance) -> str:
    """Return the table of sources, and what is to be known of some of them."""
    entries = [
        _source_cells(entry, [record for record in provenance.sessions if record.source == entry["name"]])
        for entry in provenance.pile.sources
    ]
    return (
        "## Sources\n\n"
        + table(_COLUMNS, [*entries, _total_cells(provenance)])
        + _licence_note(provenance.pile)
        + _estimates(provenance.pile)
        + _closed(provenance.pile)
    )


def missing_section(provenance: Provenance) -> str:
    """Return the sessions that the pile goes without, nothing if there is none."""
    if not provenance.missing:
        return ""
    records = [[record.source, record.path, record.reason] for record in provenance.missing]
    return "## Missing sessions\n\nThe pile was built without these:\n\n" + table(
        ("source", "session", "reason"), records
    )


def citations_section(pile: PileRecord) -> str:
    """Return how the sources want to be cited, nothing if none says it."""
    cited = [(str(entry["name"]), str(entry["citation"])) for entry in pile.sources if entry.get("citation")]
    lines = "".join(f"- {name}: {one_line(citation)}\n" for name, citation in cited)
    return f"## Citations\n\nWhoever uses the pile cites its sources:\n\n{lines}" if lines else ""


def _licence_note(pile: PileRecord) -> str:
    licence = pile_licence(pile.sources)
    if licence.name:
        return (
            "\nEach source keeps its own licence. None that the hub knows covers them all: look at each "
            "before you use or share the pile.\n"
        )
    return (
        f"\nEach source keeps its own licence. The pile as a whole is under `{licence.identifier}`, "
        "which asks all that any of them asks.\n"
    )


def _estimates(pile: PileRecord) -> str:
    """Say which sources hold no counts of spikes, but what was made of rates."""
    names = [str(entry["name"]) for entry in pile.sources if _is_estimated(entry)]
    if not names:
        return ""
    return (
        f"\nEstimated, not counted: {', '.join(names)}. The recordings hold firing rates instead of spikes; "
        "a count is rate x bin width, rounded. Where rates were smoothed, isolated spikes are lost.\n"
    )


def _closed(pile: PileRecord) -> str:
    closed = [str(entry["name"]) for entry in pile.sources if not entry.get("redistributable")]
    return f"\nNot cleared for redistribution: {', '.join(closed)}.\n" if closed else ""


def _is_estimated(entry: dict[str, JsonValue]) -> bool:
    return entry.get("reader") in estimating_readers()


def _source_cells(entry: dict[str, JsonValue], sessions: Sequence[SessionRecord]) -> list[str]:
    version = f", version {entry['version']}" if entry.get("version") else ""
    return [
        f"{entry['name']} (estimated)" if _is_estimated(entry) else str(entry["name"]),
        f"{entry['archive']} {entry['identifier']}{version}",
        str(entry.get("species") or "not stated"),
        str(entry.get("license") or "not stated"),
        f"{float(str(entry.get('bin_size', 0.02))) * 1000:g} ms",
        *_figures(sessions),
    ]


def _total_cells(provenance: Provenance) -> list[str]:
    return ["**all**", "", "", "", "", *_figures(provenance.sessions)]


def _figures(sessions: Sequence[SessionRecord]) -> list[str]:
    subjects = {(record.source, record.subject) for record in sessions}
    rows, tokens = sum(record.rows for record in sessions), sum(record.tokens for record in sessions)
    return [f"{figure:,}" for figure in (len(subjects), len(sessions), rows, tokens)]


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
    names = [name for name, (rows, _) in sizes.items() if rows]
    files = "".join(f"  - split: {name}\n    path: data/{name}-*\n" for name in names)
    splits = "".join(_split_entry(name, *sizes[name]) for name in names)
    return (
        "---\n"
        f"pretty_name: {_quoted(pile.name)}\n"
        f"{_head_licence(pile)}"
        "tags:\n- neuroscience\n- electrophysiology\n- spike-counts\n- time-series\n"
        f"size_categories:\n- {_size_category(split.train_rows + split.test_rows)}\n"
        f"configs:\n- config_name: default\n  data_files:\n{files}"
        f"dataset_info:\n{_FEATURES}  splits:\n{splits}"
        f"  download_size: {sum(shard.bytes for shard in pile.shards)}\n"
        f"  dataset_size: {split.train_tokens + split.test_tokens}\n"
        "---\n"
    )


def _split_entry(name: str, rows: int, tokens: int) -> str:
    return f"  - name: {name}\n    num_bytes: {tokens}\n    num_examples: {rows}\n"


def _head_licence(pile: PileRecord) -> str:
    licence = pile_licence(pile.sources)
    name = f"license_name: {_quoted(licence.name)}\n" if licence.name else ""
    link = f"license_link: {_quoted(licence.link)}\n" if licence.link else ""
    return f"license: {licence.identifier}\n{name}{link}"


def _size_category(rows: int) -> str:
    return next((name for name, limit in _SIZES.items() if rows < limit), _LARGEST)


def _quoted(text: str) -> str:
    """Return the text in double quotes, where every reader of YAML finds a text and no number or date."""
    return _UNPRINTABLE.sub(
        lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False)
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; no cell ends it or opens another."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def one_line(text: str) -> str:
    """Return the text with every run of white space as one blank."""
    return " ".join(text.split())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which gets an s where it is not one."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
