"""One worker or three, at one port or another: the same pile, byte for byte."""

from tests.acceptance.builds import Place, pile_of

_OVERLAPS = """
    SELECT count(*)
    FROM attempts AS one
    JOIN attempts AS other ON other.job_id > one.job_id
        AND other.started_at < one.ended_at AND one.started_at < other.ended_at
    JOIN jobs AS first ON first.id = one.job_id AND first.kind = 'bin'
    JOIN jobs AS second ON second.id = other.job_id AND second.kind = 'bin'
"""


def test_three_workers_at_another_port_make_the_bytes_of_one(
    varied_place: Place, undisturbed: dict[str, str]
) -> None:
    with varied_place.building("--workers", "3") as build:
        frozen = build.ledger.freeze_one("bin")
        # While one bin stands still, others begin and end.
        build.until(lambda: build.ledger.jobs("bin", "done"))
        frozen.go_on()
        assert build.end() == 0
    with varied_place.ledger() as ledger:
        assert ledger.one(_OVERLAPS) > 0
    assert pile_of(varied_place.home) == undisturbed


def test_the_pile_has_all_its_parts(undisturbed: dict[str, str]) -> None:
    shards = [name for name in undisturbed if name.startswith("data/train-")]
    assert len(shards) >= 3
    assert {"README.md", "provenance.jsonl"} < undisturbed.keys()
    assert any(name.startswith("data/test-") for name in undisturbed)
