"""What a card says of how the pile was made: its split, its provenance, and how to make it again."""

from shlex import quote

from services.merger.card.markdown import counted, one_line
from services.merger.card.place import Place
from services.merger.provenance import PileRecord, release_tag
from services.merger.split import SplitRule


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
    return "".join(f" --folder {quote(name)}=RECORDINGS" for name in names)


def _rule(pile: PileRecord) -> str:
    if pile.split.rule is SplitRule.NO_TEST:
        return "All rows are in train; there is no test split."
    return " ".join((_TOGETHER[pile.parameters.split_by], _choice(pile), _reached(pile)))


_TOGETHER = {
    "session": "All rows of a session are in the same split, train or test.",
    "subject": "All rows of a subject are in the same split, train or test.",
    "row": "Each row goes to train or test by itself, so both may hold rows of one recording.",
}


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
        f"{split.row_fraction:.2%} of all rows and {split.token_fraction:.2%} of all tokens."
    )
