"""Figures for Prometheus at ``/metrics``."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest


class Metrics:
    """What the service counts about itself, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "meibo_scim_requests",
            "SCIM requests by method and status class",
            ("method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "meibo_scim_request_seconds",
            "How long SCIM requests took to answer",
            ("method",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self._registry,
        )
        # labels() looks its child up each time; there are few, so they are kept at hand.
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, status: int, microseconds: int) -> None:
        """Counts a request."""
        key = (method, status // 100)
        found = self._children.get(key)
        if found is None:
            known = method if method in _METHODS else "other"
            found = (self._requests.labels(known, f"{key[1]}xx"), self._seconds.labels(known))
            if known != "other":
                self._children[key] = found
        counter, histogram = found
        counter.inc()
        histogram.observe(microseconds / 1_000_000)

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self._registry)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
