"""What Prometheus reads: the queue, waiting and drawing times, pictures, steps, refusals, memory."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


class Metrics:
    """`counts`: queued and running jobs. `memory`: bytes of this process. `engines`: bytes of each loaded engine."""

    def __init__(self, counts: Callable[[], dict[str, int]], memory: Callable[[], int], engines: Callable[[], dict[str, int]]):
        self.registry = CollectorRegistry()
        depth = Gauge("sayso_jobs", "Jobs by state.", ["state"], registry=self.registry)
        for state in ("queued", "running"):
            depth.labels(state).set_function(lambda state=state: counts()[state])  # type: ignore[misc]
        Gauge("sayso_resident_bytes", "Memory of this process.", registry=self.registry).set_function(memory)
        Gauge("sayso_engine_bytes", "Memory of all loaded engines.", registry=self.registry).set_function(lambda: sum(engines().values()))
        Gauge("sayso_engines_loaded", "Engines in memory.", registry=self.registry).set_function(lambda: len(engines()))
        self._ended = Counter("sayso_attempts", "Attempts at jobs by how they ended.", ["engine", "outcome"], registry=self.registry)
        self._waited = Histogram("sayso_wait_seconds", "From acceptance to the start of an attempt.", ["engine"], buckets=SECONDS,
                                 registry=self.registry)
        self._ran = Histogram("sayso_run_seconds", "Of one attempt.", ["engine"], buckets=SECONDS, registry=self.registry)
        self._pictures = Counter("sayso_pictures", "Pictures drawn.", ["engine"], registry=self.registry)
        self._steps = Counter("sayso_steps", "Steps of the sampler.", ["engine"], registry=self.registry)
        self._together = Histogram("sayso_batch_pictures", "Pictures drawn together.", ["engine"], buckets=(1, 2, 4, 8, 16, 32, 64),
                                   registry=self.registry)
        self._refused = Counter("sayso_refusals", "Refusals by the policy.", ["stage", "clause"], registry=self.registry)

    def attempt(self, engine: str, outcome: str, waited: float, ran: float) -> None:
        self._ended.labels(engine, outcome).inc()
        self._waited.labels(engine).observe(waited)
        self._ran.labels(engine).observe(ran)

    def steps(self, engine: str, count: int) -> None:
        self._steps.labels(engine).inc(count)

    def drew(self, engine: str, together: int) -> None:
        self._pictures.labels(engine).inc()
        self._together.labels(engine).observe(together)

    def refused(self, stage: str, clause: str) -> None:
        self._refused.labels(stage, clause).inc()
