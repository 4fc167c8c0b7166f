"""The text of figures, read by Prometheus' own library."""

from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families

from lepton_edge.metrics import counter, exposition, gauge


def test_it_is_read_as_it_was_meant() -> None:
    odd = 'a "quoted" \\ name\nin two lines'
    told = exposition(
        [
            counter("requests_total", "Requests.")
            .add(3, outcome="served", model=odd)
            .add(1e-7, outcome="failed"),
            gauge("temperature_celsius", "Heat.").add(51.5),
            gauge("nothing", "Not known.").add(None).add(math.nan).add(math.inf),
        ]
    )
    found = {family.name: family for family in text_string_to_metric_families(told.decode())}
    assert found["lepton_edge_requests"].type == "counter"
    assert [(sample.labels, sample.value) for sample in found["lepton_edge_requests"].samples] == [
        ({"outcome": "served", "model": odd}, 3.0),
        ({"outcome": "failed"}, 1e-7),
    ]
    assert found["lepton_edge_temperature_celsius"].samples[0].value == 51.5
    assert found["lepton_edge_nothing"].samples == []
