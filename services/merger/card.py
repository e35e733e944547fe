"""README.md of a pile: a dataset card, made from nothing but the pile's provenance."""

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from services.common.catalogue.reader_options import ESTIMATING_READERS
from services.merger.card_head import card_head
from services.merger.provenance import PileRecord, Provenance, SessionRecord
from services.merger.split import SplitRule

_ROWS = """\
## Rows

Each row is one segment of one recording: `spike_counts` is a matrix of units x bins, the number of spikes
of each unit in each bin (uint8; a count above 255 is kept at 255). Bins are 20 ms wide unless the table says
otherwise. One token is one cell of that matrix; recordings are cut so that a row holds about 10M tokens.
`source_dataset`, `subject_id`, `session_id` and `segment_id` say where a row comes from. Rows are shuffled
across all sources.
"""
_LOADING = """\
## Loading

```python
from datasets import load_dataset

pile = load_dataset("PATH OR REPOSITORY").with_format("numpy")  # without it a row is lists of Python integers
rows = load_dataset("PATH OR REPOSITORY", split="train", streaming=True)
```

The rows of one source, without reading the others:

```python
import pyarrow.parquet as pq

table = pq.read_table("data", filters=[("source_dataset", "=", "NAME")])
```
"""


def render_card(provenance: Provenance, provenance_sha256: str) -> str:
    """Return the whole README.md; the same provenance gives the same text."""
    pile = provenance.pile
    sections = (
        card_head(pile),
        f"# {pile.name}\n",
        _notes(pile),
        _summary(provenance),
        _sources(provenance),
        _missing(provenance),
        _ROWS,
        _split(pile),
        _LOADING,
        _provenance(provenance_sha256),
        _citations(pile),
    )
    return "\n".join(section for section in sections if section)


def provenance_sentence(provenance_sha256: str) -> str:
    """Return the sentence that ties the card to its provenance."""
    return f"`provenance.jsonl` has the sha256 `{provenance_sha256}`."


def _notes(pile: PileRecord) -> str:
    return "".join(f"> {line}\n" for line in pile.notes.splitlines())


def _summary(provenance: Provenance) -> str:
    sessions, split = provenance.sessions, provenance.pile.split
    limit = provenance.pile.session_limit
    limited = f" Of each source only the first {limit:,} sessions were taken." if limit is not None else ""
    return (
        f"Spike counts of {_count(len(sessions), 'recording session')} from "
        f"{_count(len(provenance.pile.sources), 'source')}: "
        f"{_count(split.train_tokens + split.test_tokens, 'token')} in "
        f"{_count(split.train_rows + split.test_rows, 'row')}.{limited}\n"
    )


def _sources(provenance: Provenance) -> str:
    columns = ("source", "from", "species", "licence", "bin", "subjects", "sessions", "rows", "tokens")
    entries = [
        _source_cells(entry, [record for record in provenance.sessions if record.source == entry["name"]])
        for entry in provenance.pile.sources
    ]
    closed = [str(entry["name"]) for entry in provenance.pile.sources if not entry.get("redistributable")]
    warning = f"\nNot cleared for redistribution: {', '.join(closed)}.\n" if closed else ""
    return (
        "## Sources\n\n"
        + _table(columns, [*entries, _total_cells(provenance)])
        + _estimates(provenance.pile)
        + warning
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


def _missing(provenance: Provenance) -> str:
    if not provenance.missing:
        return ""
    records = [[record.source, record.path, record.reason] for record in provenance.missing]
    return "## Missing sessions\n\nThe pile was built without these:\n\n" + _table(
        ("source", "session", "reason"), records
    )


def _split(pile: PileRecord) -> str:
    parameters, split = pile.parameters, pile.split
    unit = parameters.split_by
    how = {
        SplitRule.DIGEST: (
            f"A {unit} tests if the sha256 of its name and the seed {parameters.seed} falls below "
            f"{parameters.test_fraction:g} of its range, so it stays on its side when sources are added."
        ),
        SplitRule.SMALLEST_TESTS: (
            f"By its digest no {unit} fell below {parameters.test_fraction:g}, so the smallest one tests."
        ),
        SplitRule.LARGEST_TRAINS: (
            f"By its digest every {unit} fell below {parameters.test_fraction:g}, so the largest one trains."
        ),
        SplitRule.NO_TEST: "There is no test split.",
    }[split.rule]
    reached = (
        f" No {unit} is in both splits. {split.test_groups:,} of {_count(split.groups, unit)} test: "
        f"{split.row_fraction:.2%} of all rows, {split.token_fraction:.2%} of all tokens."
        if split.test_rows
        else ""
    )
    return f"## Split\n\n{how}{reached}\n"


def _provenance(sha256: str) -> str:
    return (
        "## Provenance\n\n"
        "`provenance.jsonl` names for every session its files in the archive with their digests, and what\n"
        "was counted, clipped and left out. `spikemill verify PILE` checks the pile against it,\n"
        "`spikemill build --from PILE` builds it again.\n\n"
        f"{provenance_sentence(sha256)}\n"
    )


def _citations(pile: PileRecord) -> str:
    cited = [(str(entry["name"]), str(entry["citation"])) for entry in pile.sources if entry.get("citation")]
    lines = "".join(f"- {name}: {_one_line(citation)}\n" for name, citation in cited)
    return f"## Citations\n\nWhoever uses the pile cites its sources:\n\n{lines}" if lines else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
