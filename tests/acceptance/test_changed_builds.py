"""Another limit, seed or pattern in the same home: a new pile, made of what is there already."""

from collections.abc import Sequence

from tests.acceptance.builds import Place
from tests.acceptance.small_archives import VARIED_SOURCES, dandi_source, write_catalogue

_RELEASES = "SELECT count(*) FROM releases WHERE state = 'published'"
_BUILDS = "SELECT count(*) FROM builds"


def test_a_changed_call_makes_a_new_pile_of_what_is_there(varied_place: Place) -> None:
    place = varied_place
    limited = place.must_build("--limit", "2")
    assert _counts(place) == (1, 1)
    assert len(_fetched(place)) == 2 + 2 * 2 + 2

    everything = place.must_build()
    assert _counts(place) == (2, 2)
    assert len(_fetched(place)) == 18 - 8

    write_catalogue(place.catalogue, *VARIED_SOURCES, seed=1)
    assert place.must_build() != everything
    assert _counts(place) == (2, 3)
    assert _fetched(place) == []

    without_m1 = dandi_source("maze", "990101", exclude=["sub-m1/*"])
    write_catalogue(place.catalogue, without_m1, *VARIED_SOURCES[1:])
    place.must_build()
    assert _counts(place) == (3, 4)
    fetched = _fetched(place)
    assert len(fetched) == 9
    assert all("sub-m" in target for target in fetched)

    write_catalogue(place.catalogue, *VARIED_SOURCES)
    assert place.must_build("--limit", "2") == limited
    assert _counts(place) == (3, 4)
    assert _fetched(place) == []
    assert len(list(place.home.piles.iterdir())) == 4


def _counts(place: Place) -> Sequence[int]:
    """Return how many builds and published releases there are, and see that no session was done twice."""
    with place.ledger() as ledger:
        assert {tuple(job["outcomes"] or ["done"]) for job in ledger.jobs()} == {("done",)}
        return ledger.one(_BUILDS), ledger.one(_RELEASES)


def _fetched(place: Place) -> list[str]:
    """Return the content that was asked for since the last look."""
    requests = place.archive.requests("^/storage/", "GET")
    place.archive.forget_requests()
    return [request.target for request in requests]
