"""What was measured of the ledger, in Prometheus' words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from services.common.ledger.gauges import Gauges, JobCount, ReadyCount
from services.common.models.work import JobKind, JobState
from services.common.queues import QUEUE_OF_KIND, Queue

_Values = Mapping[tuple[str, ...], float]


def ledger_up(*, is_up: bool) -> Metric:
    """Say whether there is anything to be measured."""
    return GaugeMetricFamily("spikemill_ledger_up", "Whether the ledger could be asked.", value=float(is_up))


def families_of(gauges: Gauges) -> Iterator[Metric]:
    """Yield the metrics, each with all its labels."""
    yield from _work(gauges)
    yield from _queues(gauges.jobs, gauges.ready)
    yield from _builds(gauges)
    yield from _traffic(gauges)
    yield GaugeMetricFamily(
        "spikemill_sweeper_last_round_timestamp_seconds",
        "When the last round of a sweeper began.",
        value=gauges.last_round or 0.0,
    )


def _work(gauges: Gauges) -> Iterator[Metric]:
    jobs: _Values = {(count.kind, count.state): count.jobs for count in gauges.jobs}
    yield _gauge("spikemill_jobs", "Jobs in the ledger.", jobs, "kind", "state")
    attempts: _Values = {(count.kind, count.outcome): count.attempts for count in gauges.attempts}
    yield _counter("spikemill_attempts", "Attempts at jobs that ended.", attempts, "kind", "outcome")


def _queues(jobs: Iterable[JobCount], ready: Iterable[ReadyCount]) -> Iterator[Metric]:
    """Yield what to scale workers on; a queue that has nothing is told as well."""
    waiting, running, oldest = Counter[Queue](), Counter[Queue](), dict.fromkeys(Queue, 0.0)
    for count in ready:
        queue = QUEUE_OF_KIND[JobKind(count.kind)]
        waiting[queue] += count.jobs
        oldest[queue] = max(oldest[queue], count.oldest)
    for each in jobs:
        if each.state == JobState.RUNNING:
            running[QUEUE_OF_KIND[JobKind(each.kind)]] += each.jobs
    yield _per_queue("ready_jobs", "Jobs that could run now, whether sent or not.", waiting)
    yield _per_queue("running_jobs", "Jobs that run.", running)
    yield _per_queue("oldest_ready_seconds", "How long the oldest job has waited that could run.", oldest)


def _per_queue(name: str, text: str, values: Mapping[Queue, float]) -> Metric:
    told: _Values = {(queue.value,): values[queue] for queue in Queue}
    return _gauge(f"spikemill_queue_{name}", text, told, "queue")


def _builds(gauges: Gauges) -> Iterator[Metric]:
    sessions: _Values = {(count.pile, count.source, count.state): count.sessions for count in gauges.sources}
    yield _gauge("spikemill_sessions", "Sessions of open builds.", sessions, "pile", "source", "state")
    tokens: _Values = {(count.pile, count.source): count.tokens for count in gauges.tokens}
    yield _gauge("spikemill_tokens", "Tokens that open builds have so far.", tokens, "pile", "source")


def _traffic(gauges: Gauges) -> Iterator[Metric]:
    arrived: _Values = {(count.source,): count.bytes for count in gauges.traffic}
    yield _counter("spikemill_fetched_bytes", "Bytes of assets that travelled.", arrived, "source")
    requests: _Values = {(count.source,): count.requests for count in gauges.traffic}
    yield _counter("spikemill_part_requests", "Requests for parts of assets.", requests, "source")


def _gauge(name: str, text: str, values: _Values, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def _counter(name: str, text: str, values: _Values, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: _Values) -> Metric:
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family
