"""README.md of a pile, section by section, from nothing but its provenance."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote as shell_quote
from typing import Protocol
from urllib.parse import quote

from spikemill.services.common.hub_target import MAIN
from spikemill.services.merger.card.sources import (
    card_head,
    citations_section,
    counted,
    missing_section,
    one_line,
    sources_section,
)
from spikemill.services.merger.plan import SplitRule
from spikemill.services.merger.provenance import PileRecord, Provenance, release_tag

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
_SEVERAL = 2
_TOGETHER = {
    "session": "All rows of a session are in the same split, train or test.",
    "subject": "All rows of a subject are in the same split, train or test.",
    "row": "Each row goes to train or test by itself, so both may hold rows of one recording.",
}


@dataclass(frozen=True, slots=True)
class HubCard:
    """A repository that a card stands in, and the pictures beside it: paths in it, by source."""

    repository: str
    pictures: Mapping[str, str]
    revision: str = MAIN


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


class Place(Protocol):
    """How the programs in a card name the pile."""

    @property
    def explanation(self) -> str:
        """What there is to say of the name, if anything."""

    @property
    def loaded(self) -> str:
        """The arguments of `load_dataset` that name it."""

    @property
    def opening(self) -> str:
        """The lines that make `shards` a pyarrow dataset of its train split."""

    @property
    def fetching(self) -> str:
        """The lines of a shell that make a folder of it."""

    @property
    def folder(self) -> str:
        """The name of that folder."""

    def pinned(self, tag: str) -> str:
        """Return how just this release is loaded, if others may stand there later."""


class FolderPlace:
    """A folder, which whoever reads the card knows."""

    explanation = "`PATH` stands for the folder that holds this file.\n\n"
    loaded = '"PATH"'
    opening = (
        "from pathlib import Path\n\nimport pyarrow.dataset as ds\n\n"
        'shards = ds.dataset(sorted(Path("PATH").glob("data/train-*")))\n'
    )
    fetching = ""
    folder = "PATH"

    def pinned(self, tag: str) -> str:  # noqa: ARG002
        """Return nothing: a folder has no tags."""
        return ""


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A branch of a repository."""

    card: HubCard

    @property
    def explanation(self) -> str:
        """What there is to say of the name: nothing."""
        return ""

    @property
    def loaded(self) -> str:
        """The arguments of `load_dataset` that name it."""
        repository, revision = self.card.repository, self.card.revision
        return f'"{repository}"' if revision == MAIN else f'"{repository}", revision="{revision}"'

    @property
    def opening(self) -> str:
        """The lines that make `shards` a pyarrow dataset of its train split."""
        revision = "" if self.card.revision == MAIN else f"@{quote(self.card.revision, safe='')}"
        return (
            "import pyarrow.dataset as ds\nfrom huggingface_hub import HfFileSystem\n\n"
            "hub = HfFileSystem()\n"
            f'files = hub.glob("datasets/{self.card.repository}{revision}/data/train-*")\n'
            "shards = ds.dataset(files, filesystem=hub)\n"
        )

    @property
    def fetching(self) -> str:
        """The lines of a shell that make a folder of it."""
        revision = "" if self.card.revision == MAIN else f" --revision {self.card.revision}"
        return (
            f"$ hf download {self.card.repository} --repo-type dataset{revision} --local-dir {self.folder}\n"
        )

    @property
    def folder(self) -> str:
        """The name of that folder."""
        return "pile"

    def pinned(self, tag: str) -> str:
        """Return how just this release is loaded."""
        loaded = f'load_dataset("{self.card.repository}", revision="{tag}")'
        return f"\n`{loaded}` loads just these rows, whatever is pushed later.\n"


def loading_section(pile: PileRecord, place: Place) -> str:
    """Return how to load a split, how to stream it, and what is slow."""
    tokens = pile.split.train_tokens + pile.split.test_tokens
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


def one_source_section(pile: PileRecord, place: Place) -> str:
    """Return how to read the rows of one source; nothing where there is no other."""
    if len(pile.sources) < _SEVERAL:
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


def split_section(pile: PileRecord) -> str:
    """Return how the split was made, and what it came to."""
    return f"## Split\n\n{_rule(pile)}\n"


def provenance_section(pile: PileRecord, provenance_sha256: str, place: Place) -> str:
    """Return what provenance.jsonl is for, tied to the very file, and how it makes the pile again."""
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
        f"{place.pinned(release_tag(provenance_sha256))}"
    )


def provenance_sentence(provenance_sha256: str) -> str:
    """Return the sentence that ties the card to its provenance."""
    return f"`provenance.jsonl` has the sha256 `{provenance_sha256}`."


def _folders(pile: PileRecord) -> str:
    """Ask for the folders that were on the machine of whoever built the pile."""
    names = [one_line(str(entry["name"])) for entry in pile.sources if entry.get("archive") == "files"]
    return "".join(f" --folder {shell_quote(name)}=RECORDINGS" for name in names)


def _rule(pile: PileRecord) -> str:
    if pile.split.rule is SplitRule.NO_TEST:
        return "All rows are in train; there is no test split."
    return " ".join((_TOGETHER[pile.parameters.split_by], _choice(pile), _reached(pile)))


def _choice(pile: PileRecord) -> str:
    """Return how it was decided what tests."""
    unit, parameters = pile.parameters.split_by, pile.parameters
    by_hash = (
        f"A hash (sha256) of the {unit}'s name and the seed {parameters.seed} decides which; the chance to "
        f"be in test is {100 * parameters.test_fraction:.4g} %."
    )
    outcome = {
        SplitRule.DIGEST: f"So a {unit} stays in its split when sources are added.",
        SplitRule.SMALLEST_TESTS: f"That put none in test, so the smallest {unit} was put there.",
        SplitRule.LARGEST_TRAINS: f"That put all in test, so the largest {unit} was put in train.",
    }
    return f"{by_hash} {outcome[pile.split.rule]}"


def _reached(pile: PileRecord) -> str:
    split, unit = pile.split, pile.parameters.split_by
    return (
        f"Test holds {split.test_groups:,} of {counted(split.groups, unit)}, with "
        f"{split.test_rows / split.rows:.2%} of all rows and "
        f"{split.test_tokens / split.tokens:.2%} of all tokens."
    )
