"""The ledger for Prometheus, served by the sweeper; each scrape measures it anew."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError, readable
from spikemill.services.common.ledger.monitoring import Gauges, read_gauges
from spikemill.services.common.models import JobKind, JobState
from spikemill.services.common.worker.kinds import QUEUE_OF_KIND, Queue

_log = logging.getLogger(__name__)
_Rows = Sequence[tuple[Any, ...]]


def serve_metrics(address: str, port: int) -> WSGIServer:
    """Answer scrapes at this address from threads of their own, for as long as the process lives."""
    registry = CollectorRegistry()
    registry.register(LedgerCollector())
    registry.register(ProcessCollector(namespace="spikemill_sweeper", registry=None))
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as error:
        raise CallError(
            f"Metrics cannot be served at {address}:{port}: {error.strerror or error}; "
            "set SPIKEMILL_METRICS_ADDRESS and SPIKEMILL_METRICS_PORT to what is free on this machine."
        ) from error
    _log.info("metrics at http://%s:%d/metrics", address, server.server_port)
    return server


class LedgerCollector(Collector):
    """Measures the ledger at each scrape: one at a time, beside the sweeper's rounds."""

    def __init__(self) -> None:
        self._turn = Lock()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; while Postgres is away only that it is."""
        try:
            with self._turn, transaction() as ledger:
                gauges = read_gauges(ledger)
        except Exception as error:
            _log.warning("the ledger could not be measured: %s", readable(error))
            yield ledger_up(is_up=False)
        else:
            yield ledger_up(is_up=True)
            yield from families_of(gauges)

    def describe(self) -> Iterable[Metric]:
        """Return no metric in advance: that would take a ledger."""
        return ()


def ledger_up(*, is_up: bool) -> Metric:
    """Return the metric that says whether the ledger could be measured."""
    return GaugeMetricFamily("spikemill_ledger_up", "Whether the ledger could be asked.", value=float(is_up))


def families_of(gauges: Gauges) -> Iterator[Metric]:
    """Yield the metrics, each with all its labels."""
    bytes_read = [(source, read) for source, read, _ in gauges.traffic]
    requests = [(source, count) for source, _, count in gauges.traffic]
    for name, text, rows, labels in (
        ("spikemill_jobs", "Jobs in the ledger.", gauges.jobs, ("kind", "state")),
        ("spikemill_sessions", "Sessions of open builds.", gauges.sources, ("pile", "source", "state")),
        ("spikemill_tokens", "Tokens that open builds have so far.", gauges.tokens, ("pile", "source")),
        *_queues(gauges),
    ):
        yield _filled(GaugeMetricFamily(name, text, labels=labels), rows)
    for name, text, rows, labels in (
        ("spikemill_attempts", "Attempts at jobs that ended.", gauges.attempts, ("kind", "outcome")),
        ("spikemill_fetched_bytes", "Bytes of assets that travelled.", bytes_read, ("source",)),
        ("spikemill_part_requests", "Requests for parts of assets.", requests, ("source",)),
    ):
        yield _filled(CounterMetricFamily(name, text, labels=labels), rows)
    yield GaugeMetricFamily(
        "spikemill_sweeper_last_round_timestamp_seconds",
        "When the last round of a sweeper began.",
        value=gauges.last_round or 0.0,
    )


def _queues(gauges: Gauges) -> Iterator[tuple[str, str, _Rows, tuple[str, ...]]]:
    """Yield what to scale workers on; also the zeros of an empty queue."""
    waiting, running, oldest = Counter[Queue](), Counter[Queue](), dict.fromkeys(Queue, 0.0)
    for kind, jobs, seconds in gauges.ready:
        queue = QUEUE_OF_KIND[JobKind(kind)]
        waiting[queue] += jobs
        oldest[queue] = max(oldest[queue], seconds)
    for kind, state, jobs in gauges.jobs:
        if state == JobState.RUNNING:
            running[QUEUE_OF_KIND[JobKind(kind)]] += jobs
    values: Mapping[Queue, float]
    for name, text, values in (
        ("ready_jobs", "Jobs that could run now, whether sent or not.", waiting),
        ("running_jobs", "Jobs that run.", running),
        ("oldest_ready_seconds", "How long the oldest job has waited that could run.", oldest),
    ):
        rows = [(queue.value, values[queue]) for queue in Queue]
        yield f"spikemill_queue_{name}", text, rows, ("queue",)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: _Rows) -> Metric:
    for *labels, value in sorted(rows):
        family.add_metric(labels, value)
    return family
