"""A spool that is smaller than one asset makes a build slow, never stuck."""

from itertools import pairwise
from pathlib import Path

from standins.archive.content import ArchiveFile, MadeUpArchive
from tests.acceptance.builds import NewPlace
from tests.acceptance.small_archives import asset, dandi_source, dandiset, short

_STAYS = """
    SELECT min(attempt.started_at) AS came, max(attempt.ended_at) AS went, count(*) AS attempts
    FROM attempts AS attempt
    JOIN jobs AS job ON job.id = attempt.job_id
    LEFT JOIN assets AS asset ON asset.id = job.asset_id
    JOIN sessions AS session ON session.id = coalesce(job.session_id, asset.session_id)
    GROUP BY session.id
    ORDER BY came
"""


def test_sessions_pass_one_by_one_through_a_spool_that_is_too_small(
    new_place: NewPlace, recordings: Path
) -> None:
    probes = [asset(short("p", day, probe=probe), recordings) for day in ("d1", "d3") for probe in "AB"]
    bad = [ArchiveFile(f"sub-p/sub-p_ses-d2_probe-{probe}.nwb", b"No recording.") for probe in "AB"]
    place = new_place(
        MadeUpArchive([dandiset("990501", [*probes, *bad])]),
        dandi_source("probes", "990501", group=r"sub-[^/_]+_ses-[^/_]+"),
        environment={"SPIKEMILL_SPOOL_BYTES": str(min(file.size for file in probes) - 1)},
    )
    place.must_build("--allow-missing")
    with place.ledger() as ledger:
        stays = ledger.rows(_STAYS)
        bins = ledger.outcomes("bin")
        reserved = ledger.one("SELECT sum(reserved_bytes) FROM sessions")
    assert list(bins.values()) == [["done"], ["failed"], ["done"]]
    assert [stay["attempts"] for stay in stays] == [3, 3, 3]
    assert all(later["came"] > earlier["went"] for earlier, later in pairwise(stays))
    assert reserved == 0
    assert list(place.home.spool.iterdir()) == []
