"""Figures for Prometheus at ``/metrics``.

Counting is on the path of every request, so it is two additions here; the library makes the
exposition from them when it is asked.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_BOUNDS_MILLISECONDS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)


class Metrics(Collector):
    """What the service counts about itself, in a registry of its own."""

    def __init__(self) -> None:
        self._bounds = [int(each * 1_000) for each in _BOUNDS_MILLISECONDS]
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within: defaultdict[str, list[int]] = defaultdict(
            lambda: [0] * (len(self._bounds) + 1)
        )
        self._microseconds: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def answered(self, method: str, status: int, microseconds: int) -> None:
        """Counts a request."""
        if method not in _METHODS:
            method = "other"
        self._requests[method, status] += 1
        self._within[method][bisect_left(self._bounds, microseconds)] += 1
        self._microseconds[method] += microseconds

    def collect(self) -> Iterable[Metric]:
        """The counts in the library's terms."""
        requests = CounterMetricFamily(
            "meibo_scim_requests", "SCIM requests by method and status", labels=("method", "status")
        )
        for (method, status), times in self._requests.items():
            requests.add_metric((method, str(status)), times)
        yield requests
        seconds = HistogramMetricFamily(
            "meibo_scim_request_seconds",
            "How long SCIM requests took to answer",
            labels=("method",),
        )
        for method, counts in self._within.items():
            buckets: list[tuple[str, float]] = []
            so_far = 0
            for bound, count in zip(self._bounds, counts, strict=False):
                so_far += count
                buckets.append((str(bound / 1_000_000), so_far))
            buckets.append(("+Inf", so_far + counts[-1]))
            seconds.add_metric((method,), buckets, self._microseconds[method] / 1_000_000)
        yield seconds

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self._registry)
