"""Prometheus text, as its parser reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from dd0c.base.telemetry import Histogram, Metric, exposition, sample

CATALOGUE = (
    Metric("dd0c_x_total", "counter", "Things.", ("name",)),
    Metric("dd0c_x_seconds", "histogram", "How long.", ("name",)),
    Metric("dd0c_x_absent", "gauge", "Nothing yet."),
)


def test_what_is_declared_is_shown_as_a_scraper_reads_it() -> None:
    """Families with help and type; odd label values; what nobody declared stays out (K-82)."""
    odd = 'a "quoted"\\ name\nof two lines'
    seconds = Histogram("dd0c_x_seconds", "name")
    for each in (0.01, 0.05, 0.07, 400.0):
        seconds.observe("one", each)
    samples = {sample("dd0c_x_total", {"name": odd}): 3, "dd0c_y_total": 1} | dict(
        seconds.samples()
    )
    families = list(text_string_to_metric_families(exposition(CATALOGUE, samples)))
    assert [(f.name, f.type, f.documentation) for f in families] == [
        ("dd0c_x", "counter", "Things."),
        ("dd0c_x_seconds", "histogram", "How long."),
    ]
    assert [(s.labels, s.value) for s in families[0].samples] == [({"name": odd}, 3.0)]
    found = {(s.name, s.labels.get("le")): s.value for s in families[1].samples}
    assert found["dd0c_x_seconds_bucket", "0.05"] == 2
    assert found["dd0c_x_seconds_bucket", "0.1"] == 3
    assert found["dd0c_x_seconds_bucket", "300.0"] == 3
    assert found["dd0c_x_seconds_bucket", "+Inf"] == found["dd0c_x_seconds_count", None] == 4
    assert found["dd0c_x_seconds_sum", None] == 400.13
