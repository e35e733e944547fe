"""What travelled is counted, though Postgres may be away just then."""

from threading import Thread
from time import monotonic, sleep

from sqlalchemy import select, text

from spikemill.services.common.database import transaction
from spikemill.services.common.ledger.recordings import TransferMeter
from spikemill.services.common.models import Asset, JobKind
from spikemill.services.common.worker.runner import Heartbeat
from tests.integration import ledgers

_TERMINATE_WAITING = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


def terminate_who_waits() -> None:
    """End the connection of whoever waits for a lock, once somebody does."""
    deadline = monotonic() + 60
    while True:
        with transaction() as ledger:
            if ledger.execute(_TERMINATE_WAITING).all():
                return
        assert monotonic() < deadline, "nobody waits for a lock"
        sleep(0.02)


def test_a_connection_that_is_lost_meanwhile_does_not_lose_the_count() -> None:
    ledgers.ask("a", fetch="stream")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    meter = TransferMeter(Heartbeat(ledgers.claim(ledgers.one_ready(JobKind.STREAM).id)).check)
    meter.add(5)
    (asset,) = ledgers.assets()
    recording = Thread(target=meter.flush, args=(asset.id,), kwargs={"requests": 1})
    with transaction() as other:
        other.execute(select(Asset).with_for_update())
        recording.start()
        terminate_who_waits()
    recording.join()
    (counted,) = ledgers.assets()
    assert (counted.bytes_downloaded, counted.range_requests) == (5, 1)
