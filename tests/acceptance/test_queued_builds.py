"""Two people queue sources into a running deployment: both are in the pile, or there is none."""

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spikemill.services.merger.provenance import parse_provenance
from tests.acceptance.builds import Place
from tests.acceptance.questions import Outcomes

_PROGRAM = Path(__file__).with_name("deployment_program.py")
_OPEN_SOURCES = """
    SELECT string_agg(source.name, ' ' ORDER BY source.name)
    FROM builds AS build
    JOIN build_sources AS part ON part.build_id = build.id
    JOIN source_versions AS source ON source.id = part.source_version_id
    WHERE build.state = 'open'
"""
_RELEASES = "SELECT array_agg(state::text) FROM releases WHERE state <> 'waiting'"


def test_two_queue_calls_never_publish_half_a_build(varied_place: Place) -> None:
    place = varied_place
    with (
        place.archive.hold(r"^/storage/.*sub-f3_ses-e\.nwb") as last_of_deposit,
        place.archive.hold(r"^/storage/.*sub-m9_ses-c\.nwb") as last_of_maze,
        place.running([sys.executable, str(_PROGRAM), str(place.folder)]) as deployment,
    ):
        ledger = deployment.ledger
        deployment.until(lambda: ledger.one("SELECT true"))
        with ThreadPoolExecutor() as people:
            calls = [people.submit(place.queue, source) for source in ("deposit", "maze")]
        assert [call.result().returncode for call in calls] == [0, 0]
        assert ledger.one(_OPEN_SOURCES) == "deposit maze"

        last_of_deposit.release()
        deployment.until(lambda: _done(ledger.outcomes("bin")) == 4 + 9)
        deployment.outlast_sweeps(10)
        assert ledger.one(_RELEASES) is None
        assert not place.home.pile.exists()

        last_of_maze.release()
        deployment.until(lambda: ledger.one(_RELEASES) == ["published"])
    provenance = parse_provenance((place.home.pile / "provenance.jsonl").read_bytes())
    assert {session.source for session in provenance.sessions} == {"deposit", "maze"}
    assert len(provenance.sessions) == 4 + 10


def _done(outcomes: Mapping[str, Outcomes | None]) -> int:
    return sum(ended == ["done"] for ended in outcomes.values())
