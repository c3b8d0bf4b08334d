"""What a server counts, in the form that Prometheus scrapes."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of `Metrics.text`."""


class Metrics:
    """Counters of one process; labels have few values, whatever clients send."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.requests = Counter(
            "promptscale_requests", "HTTP requests", ["route", "status"], registry=own
        )
        self.seconds = Histogram(
            "promptscale_request_seconds", "Seconds from a request to its response", ["route"],
            registry=own,
        )  # fmt: skip
        self.items = Counter(
            "promptscale_items", "Inputs by what came of them", ["outcome"], registry=own
        )
        self.batch = Histogram(
            "promptscale_batch_queries", "Questions that shared a batch with an answer",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256), registry=own,
        )  # fmt: skip
        self.under_way = Gauge(
            "promptscale_queries_under_way", "Questions not answered yet", registry=own
        )
        self.models = Gauge("promptscale_models", "Models served", registry=own)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
