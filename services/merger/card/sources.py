"""What a card says of the sources: how much each holds, under which licence, and what is missing."""

from collections.abc import Sequence

from pydantic import JsonValue

from services.common.catalogue.reader_options import ESTIMATING_READERS
from services.merger.card.licences import pile_licence
from services.merger.card.markdown import one_line, table
from services.merger.provenance import PileRecord, Provenance, SessionRecord

_COLUMNS = ("source", "from", "species", "licence", "bin", "subjects", "sessions", "rows", "tokens")


def sources_section(provenance: Provenance) -> str:
    """Return the table of sources, and what is to be known of some of them."""
    entries = [
        _source_cells(entry, [record for record in provenance.sessions if record.source == entry["name"]])
        for entry in provenance.pile.sources
    ]
    return (
        "## Sources\n\n"
        + table(_COLUMNS, [*entries, _total_cells(provenance)])
        + _licence(provenance.pile)
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


def _licence(pile: PileRecord) -> str:
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
    return entry.get("reader") in ESTIMATING_READERS


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
