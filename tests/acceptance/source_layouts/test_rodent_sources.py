"""The rodent catalogue as it is shipped, against an archive that has the files of all its sources."""

import json
from collections.abc import Sequence
from pathlib import Path

from spikemill.services.common.catalog import Catalogue
from standins.archive.content import ArchiveFile
from tests.acceptance.builds import Place
from tests.acceptance.source_layouts.conftest import RODENT
from tests.acceptance.source_layouts.pile import require_counts
from tests.acceptance.source_layouts.rodent_layouts import RODENT_LAYOUTS
from tests.acceptance.source_layouts.serving import Holding, ServedLayouts, size_of

ONLY_BY_NAME = "ibl-2023"
DEFAULT = [layout for layout in RODENT_LAYOUTS if layout.name != ONLY_BY_NAME]

_ALLOWANCE = 1 << 20
"""Bytes that a streamed file may cost beside those that its counts are made of, and their fiftieth."""


def test_every_source_of_the_catalogue_has_its_layout(rodent: Catalogue) -> None:
    layouts = {layout.name: layout.identifier for layout in RODENT_LAYOUTS}
    assert {source.name: source.identifier for source in rodent.sources} == layouts
    assert len(DEFAULT) == 25


def test_the_plan_takes_the_sessions_and_nothing_beside_them(
    rodent_archive: ServedLayouts, open_folder: Path
) -> None:
    planned = rodent_archive.place(open_folder / "plan", RODENT).run("plan", "--catalog", "rodent", "--json")
    assert planned.returncode == 0, planned
    found = {
        listing["source"]: (listing["selected"], listing["sessions"], listing["subjects"])
        for listing in json.loads(planned.stdout)
    }
    assert found == {
        layout.name: (
            sum(len(session.paths) for session in layout.sessions),
            len(layout.sessions),
            len({session.subject for session in layout.sessions}),
        )
        for layout in DEFAULT
    }


def test_each_source_is_built_with_the_counts_of_the_reference(rodent_place: Place) -> None:
    require_counts(rodent_place.home.pile, DEFAULT)


def test_rates_are_marked_as_estimates(rodent_place: Place) -> None:
    card = (rodent_place.home.pile / "README.md").read_text()
    [line] = [line for line in card.splitlines() if "estimate" in line and "gonzalez" in line]
    assert line


def test_no_file_beside_the_sessions_is_ever_asked_for(
    rodent_place: Place, rodent_archive: ServedLayouts
) -> None:
    assert rodent_place.home.pile.exists()
    assert rodent_archive.asked_beside() == []


def test_streamed_files_cost_little_more_than_their_spikes(
    rodent_place: Place, rodent_archive: ServedLayouts
) -> None:
    assert rodent_place.home.pile.exists()
    cheaper_than_whole = set()
    for holding in rodent_archive.holdings.values():
        for file in _streamed(holding):
            requests = rodent_archive.requests_for(file)
            assert {request.status for request in requests} == {206}, file.path
            needed = size_of(file, holding.layout.form.needed)
            bound = needed + needed // 50 + _ALLOWANCE
            assert sum(request.bytes_sent for request in requests) <= bound, file.path
            if bound < file.size:
                cheaper_than_whole.add(holding.layout.name)
    assert cheaper_than_whole >= {"ibl", "lemerre", "vcn", "peyrache", "prince", "senzai"}


def _streamed(holding: Holding) -> Sequence[ArchiveFile]:
    """Return the files of a source's sessions if the build of the default sources streams them."""
    is_streamed = holding.layout in DEFAULT and holding.source.fetch == "stream"
    return holding.selected if is_streamed else ()


def test_matlab_files_are_copied_whole(rodent_place: Place, rodent_archive: ServedLayouts) -> None:
    assert rodent_place.home.pile.exists()
    for file in rodent_archive.holdings["steinmetz-2"].selected:
        [request] = rodent_archive.requests_for(file)
        assert (request.status, request.bytes_sent) == (200, file.size)


def test_the_selection_of_2023_is_built_by_its_name(rodent_archive: ServedLayouts, open_folder: Path) -> None:
    place = rodent_archive.place(open_folder / "rodent-2023", RODENT)
    place.must_build(ONLY_BY_NAME, "--workers", "1")
    require_counts(place.home.pile, [rodent_archive.holdings[ONLY_BY_NAME].layout])
    assert rodent_archive.asked_beside() == []
