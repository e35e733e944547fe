"""The whole card, section by section."""

from services.merger.card.head import card_head
from services.merger.card.loading import loading_section
from services.merger.card.markdown import counted, one_line
from services.merger.card.one_source import one_source_section
from services.merger.card.origin import provenance_section, split_section
from services.merger.card.place import FolderPlace, HubCard, HubPlace, Place
from services.merger.card.sources import citations_section, missing_section, sources_section
from services.merger.provenance import PileRecord, Provenance

_MAKER = (
    "Made with spikemill, a program that counts the spikes of neural recordings in bins of time, and "
    "shuffles the counts of many recordings into one dataset to train models on."
)
_ROWS = """\
## Rows

Each row is one segment of one recording: `spike_counts` is a matrix of units x bins, the number of spikes
of each unit in each bin (uint8; a count above 255 is kept at 255). Bins are 20 ms wide unless the table says
otherwise. One token is one cell of that matrix. A recording of more than 10M tokens is cut in time
into segments of equal length, each of about 10M tokens or less; a shorter recording is a single row.
`source_dataset`, `subject_id`, `session_id` and `segment_id` say where a row comes from.
"""


def render_card(provenance: Provenance, provenance_sha256: str, *, hub: HubCard | None = None) -> str:
    """Return the whole README.md, for the pile's own folder or for a repository of the hub.

    The same provenance gives the same text.
    """
    pile = provenance.pile
    place: Place = FolderPlace() if hub is None else HubPlace(hub)
    sections = (
        card_head(pile),
        f"# {one_line(pile.name)}\n",
        _notes(pile),
        _summary(provenance),
        sources_section(provenance),
        missing_section(provenance),
        _pictures(hub),
        _rows(pile),
        split_section(pile),
        loading_section(pile, place),
        one_source_section(pile, place),
        provenance_section(pile, provenance_sha256, place),
        citations_section(pile),
    )
    return "\n".join(section for section in sections if section)


def _notes(pile: PileRecord) -> str:
    return "".join(f"> {line}\n" for line in pile.notes.splitlines())


def _summary(provenance: Provenance) -> str:
    sessions, split = provenance.sessions, provenance.pile.split
    limit = provenance.pile.session_limit
    limited = f" Of each source only the first {limit:,} sessions were taken." if limit is not None else ""
    return (
        f"Spike counts of {counted(len(sessions), 'recording session')} from "
        f"{counted(len(provenance.pile.sources), 'source')}: "
        f"{counted(split.train_tokens + split.test_tokens, 'token')} in "
        f"{counted(split.train_rows + split.test_rows, 'row')}.{limited} {_MAKER}\n"
    )


def _rows(pile: PileRecord) -> str:
    across = " across all sources" if len(pile.sources) > 1 else ""
    return f"{_ROWS}Rows are shuffled{across}.\n"


def _pictures(hub: HubCard | None) -> str:
    if hub is None or not hub.pictures:
        return ""
    lines = "".join(f"![One row of {source}]({path})\n" for source, path in sorted(hub.pictures.items()))
    return f"## Rasters\n\nOne row of each source: time in bins goes across, units go up.\n\n{lines}"
