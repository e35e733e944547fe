"""README.md of a pile: a dataset card, section by section, from nothing but the pile's provenance."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote as shell_quote
from urllib.parse import quote

from pydantic import JsonValue

from spikemill.services.common.catalog.readers import estimating_readers
from spikemill.services.common.hub_target import MAIN
from spikemill.services.merger.card_head import card_head, pile_licence
from spikemill.services.merger.plan import SplitRule
from spikemill.services.merger.provenance import PileRecord, Provenance, SessionRecord, release_tag

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
_COLUMNS = ("source", "from", "species", "licence", "bin", "subjects", "sessions", "rows", "tokens")
_TOGETHER = {
    "session": "All rows of a session are in the same split, train or test.",
    "subject": "All rows of a subject are in the same split, train or test.",
    "row": "Each row goes to train or test by itself, so both may hold rows of one recording.",
}


@dataclass(frozen=True, slots=True)
class HubCard:
    """The repository that a card is for, and the paths of its pictures by source."""

    repository: str
    pictures: Mapping[str, str]
    revision: str = MAIN


@dataclass(frozen=True, slots=True)
class _Place:
    """How the programs of a card name the pile.

    `loaded` are the arguments of `load_dataset`; `opening` makes `shards` a pyarrow dataset of its train
    split; `fetching` is the shell command that downloads it into `folder`.
    """

    explanation: str
    loaded: str
    opening: str
    fetching: str
    folder: str


_FOLDER = _Place(
    explanation="`PATH` stands for the folder that holds this file.\n\n",
    loaded='"PATH"',
    opening=(
        "from pathlib import Path\n\nimport pyarrow.dataset as ds\n\n"
        'shards = ds.dataset(sorted(Path("PATH").glob("data/train-*")))\n'
    ),
    fetching="",
    folder="PATH",
)


def render_card(provenance: Provenance, provenance_sha256: str, *, hub: HubCard | None = None) -> str:
    """Return the whole README.md, for the pile's own folder or for a repository of the hub.

    The same provenance gives the same text.
    """
    pile = provenance.pile
    place = _FOLDER if hub is None else _on_hub(hub)
    sections = (
        card_head(pile),
        f"# {_one_line(pile.name)}\n",
        "".join(f"> {line}\n" for line in pile.notes.splitlines()),
        _summary(provenance),
        _sources(provenance),
        _missing(provenance),
        _pictures(hub),
        f"{_ROWS}Rows are shuffled{' across all sources' if len(pile.sources) > 1 else ''}.\n",
        f"## Split\n\n{_split_rule(pile)}\n",
        _loading(pile, place),
        _one_source(pile, place),
        _provenance(pile, provenance_sha256, place, hub),
        _citations(pile),
    )
    return "\n".join(section for section in sections if section)


def _on_hub(hub: HubCard) -> _Place:
    revision = "" if hub.revision == MAIN else f"@{quote(hub.revision, safe='')}"
    argument = "" if hub.revision == MAIN else f', revision="{hub.revision}"'
    option = "" if hub.revision == MAIN else f" --revision {hub.revision}"
    return _Place(
        explanation="",
        loaded=f'"{hub.repository}"{argument}',
        opening=(
            "import pyarrow.dataset as ds\nfrom huggingface_hub import HfFileSystem\n\n"
            "hub = HfFileSystem()\n"
            f'files = hub.glob("datasets/{hub.repository}{revision}/data/train-*")\n'
            "shards = ds.dataset(files, filesystem=hub)\n"
        ),
        fetching=f"$ hf download {hub.repository} --repo-type dataset{option} --local-dir pile\n",
        folder="pile",
    )


def _summary(provenance: Provenance) -> str:
    split, limit = provenance.pile.split, provenance.pile.session_limit
    limited = f" Of each source only the first {limit:,} sessions were taken." if limit is not None else ""
    return (
        f"Spike counts of {_counted(len(provenance.sessions), 'recording session')} from "
        f"{_counted(len(provenance.pile.sources), 'source')}: {_counted(split.tokens, 'token')} in "
        f"{_counted(split.rows, 'row')}.{limited} {_MAKER}\n"
    )


def _sources(provenance: Provenance) -> str:
    entries, estimating = provenance.pile.sources, estimating_readers()
    estimated = [str(entry["name"]) for entry in entries if entry.get("reader") in estimating]
    lines = [
        [
            f"{entry['name']} (estimated)" if entry["name"] in estimated else str(entry["name"]),
            *_origin(entry),
            *_figures([record for record in provenance.sessions if record.source == entry["name"]]),
        ]
        for entry in entries
    ]
    total = ["**all**", "", "", "", "", *_figures(provenance.sessions)]
    notes = [_licence_note(provenance.pile)]
    if estimated:
        notes.append(
            f"Estimated, not counted: {', '.join(estimated)}. The recordings hold firing rates instead "
            "of spikes; a count is rate x bin width, rounded. Where rates were smoothed, isolated spikes are "
            "lost."
        )
    closed = [str(entry["name"]) for entry in entries if not entry.get("redistributable")]
    if closed:
        notes.append(f"Not cleared for redistribution: {', '.join(closed)}.")
    return f"## Sources\n\n{_table(_COLUMNS, [*lines, total])}" + "".join(f"\n{note}\n" for note in notes)


def _origin(entry: Mapping[str, JsonValue]) -> list[str]:
    version = f", version {entry['version']}" if entry.get("version") else ""
    return [
        f"{entry['archive']} {entry['identifier']}{version}",
        str(entry.get("species") or "not stated"),
        str(entry.get("license") or "not stated"),
        f"{float(str(entry.get('bin_size', 0.02))) * 1000:g} ms",
    ]


def _figures(sessions: Sequence[SessionRecord]) -> list[str]:
    subjects = {(record.source, record.subject) for record in sessions}
    rows, tokens = sum(record.rows for record in sessions), sum(record.tokens for record in sessions)
    return [f"{figure:,}" for figure in (len(subjects), len(sessions), rows, tokens)]


def _licence_note(pile: PileRecord) -> str:
    licence = pile_licence(pile.sources)
    if licence.name:
        return (
            "Each source keeps its own licence. None that the hub knows covers them all: look at each "
            "before you use or share the pile."
        )
    return (
        f"Each source keeps its own licence. The pile as a whole is under `{licence.identifier}`, "
        "which asks all that any of them asks."
    )


def _missing(provenance: Provenance) -> str:
    if not provenance.missing:
        return ""
    records = [[record.source, record.path, record.reason] for record in provenance.missing]
    return "## Missing sessions\n\nThe pile was built without these:\n\n" + _table(
        ("source", "session", "reason"), records
    )


def _pictures(hub: HubCard | None) -> str:
    if hub is None or not hub.pictures:
        return ""
    lines = "".join(f"![One row of {source}]({path})\n" for source, path in sorted(hub.pictures.items()))
    return f"## Rasters\n\nOne row of each source: time in bins goes across, units go up.\n\n{lines}"


def _split_rule(pile: PileRecord) -> str:
    split, parameters, unit = pile.split, pile.parameters, pile.parameters.split_by
    if split.rule is SplitRule.NO_TEST:
        return "All rows are in train; there is no test split."
    outcome = {
        SplitRule.DIGEST: f"So a {unit} stays in its split when sources are added.",
        SplitRule.SMALLEST_TESTS: f"That put none in test, so the smallest {unit} was put there.",
        SplitRule.LARGEST_TRAINS: f"That put all in test, so the largest {unit} was put in train.",
    }
    return (
        f"{_TOGETHER[unit]} A hash (sha256) of the {unit}'s name and the seed {parameters.seed} decides "
        f"which; the chance to be in test is {100 * parameters.test_fraction:.4g} %. {outcome[split.rule]} "
        f"Test holds {split.test_groups:,} of {_counted(split.groups, unit)}, with "
        f"{split.test_rows / split.rows:.2%} of all rows and {split.test_tokens / split.tokens:.2%} of all "
        "tokens."
    )


def _loading(pile: PileRecord, place: _Place) -> str:
    tokens = pile.split.tokens
    return f"""\
## Loading

{place.explanation}```python
from datasets import load_dataset


def counts(row):
    \"\"\"Return the units x bins of a row as uint8, without a copy.\"\"\"
    units = row["spike_counts"][0].values
    return units.flatten().to_numpy().reshape(len(units), -1)


pile = load_dataset({place.loaded}, split="train").with_format("arrow")
matrix = counts(pile[0])
```

This is the quickest way to read rows more than once, in any order. `load_dataset` first writes the pile to
its cache, uncompressed: {tokens:,} bytes. Streaming needs no such room, and decodes each row as it comes:

```python
rows = load_dataset({place.loaded}, split="train", streaming=True).with_format("arrow")
for row in rows:
    matrix = counts(row)
```

Of a loaded pile `with_format("numpy", dtype="uint8")` gives the same matrices in about twice the time.
`with_format("numpy")` alone makes int64 of them, in eight times the memory and seven times the time; a row
without a format is lists of Python integers, and takes fifty times as long.
"""


def _one_source(pile: PileRecord, place: _Place) -> str:
    if len(pile.sources) <= 1:
        return ""
    name = json.dumps(str(pile.sources[0]["name"]), ensure_ascii=False)
    return f"""\
## One source only

```python
{place.opening}

def matrices(shards, source):
    \"\"\"Yield the rows of one source as units x bins.\"\"\"
    wanted = ds.field("source_dataset") == source
    for shard in shards.get_fragments():
        for group in shard.split_by_row_group(wanted):  # without those that statistics rule out
            if not group.count_rows(filter=wanted):  # reads the names of five rows, no counts
                continue
            rows = group.to_table()
            for number, name in enumerate(rows["source_dataset"].to_pylist()):
                if name == source:
                    units = rows["spike_counts"][number].values
                    yield units.flatten().to_numpy().reshape(len(units), -1)


for matrix in matrices(shards, {name}):
    pass
```

Rows are shuffled across all sources and stand in row groups of five, so a source with 1 % of the rows is in
5 % of the row groups; only these are read. Shorter is `filters=[("source_dataset", "=", {name})]` of pyarrow
and `datasets`, but it goes by statistics alone, the first and the last name of each row group by alphabet:
they rule out most row groups where a source stands at an end of the alphabet, few where it is in the middle.

Of a loaded pile, `filter` reads the names alone. Take the format away before it: in Arrow's format a name is
no Python text, and equal to none.

```python
rows_of_one = pile.with_format(None).filter(lambda name: name == {name}, input_columns="source_dataset")
rows_of_one = rows_of_one.with_format("arrow")
```
"""


def _provenance(pile: PileRecord, provenance_sha256: str, place: _Place, hub: HubCard | None) -> str:
    # A folder has no tags.
    pinned = (
        f'\n`load_dataset("{hub.repository}", revision="{release_tag(provenance_sha256)}")` loads just these '
        "rows, whatever is pushed later.\n"
        if hub
        else ""
    )
    return (
        "## Provenance\n\n"
        "`provenance.jsonl` names for every session its files in the archive with their digests, and what "
        "was counted, clipped and left out. "
        f"{provenance_sentence(provenance_sha256)}\n\n"
        "`spikemill verify` checks every file of the pile against it. `spikemill build --from` reads nothing "
        "of the pile but this file, takes the recordings from where they came, and makes the same pile "
        f"again, byte for byte:\n\n```console\n{place.fetching}"
        f"$ spikemill verify {place.folder}\n"
        f"$ spikemill build --from {place.folder} --home DIR{_folders(pile)}\n```\n"
        f"{pinned}"
    )


def provenance_sentence(provenance_sha256: str) -> str:
    """Return the sentence that ties the card to its provenance."""
    return f"`provenance.jsonl` has the sha256 `{provenance_sha256}`."


def _folders(pile: PileRecord) -> str:
    """Return the options that name the folders of local recordings."""
    names = [_one_line(str(entry["name"])) for entry in pile.sources if entry.get("archive") == "files"]
    return "".join(f" --folder {shell_quote(name)}=RECORDINGS" for name in names)


def _citations(pile: PileRecord) -> str:
    cited = [(str(entry["name"]), str(entry["citation"])) for entry in pile.sources if entry.get("citation")]
    lines = "".join(f"- {name}: {_one_line(citation)}\n" for name, citation in cited)
    return f"## Citations\n\nWhoever uses the pile cites its sources:\n\n{lines}" if lines else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; no cell ends it or opens another."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = ([_one_line(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
