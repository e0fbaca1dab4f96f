"""The figures of several processes: the service's own, and nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_text import figure

TWO_OWNERS = """
import sys
from pathlib import Path
from prometheus_client import Counter, Gauge
from serving.metrics import Metrics
Counter("feast_online_features_request", "Of a server that does not run.").inc(0)
Gauge("feast_feature_server_memory_usage", "The same.", multiprocess_mode="livesum").set(0)
metrics = Metrics(Path(sys.argv[1]))
metrics.requests.labels("/v1/items", "GET", "200").inc(3)
metrics.latency.labels("/v1/items").observe(0.01)
sys.stdout.buffer.write(metrics.text())
"""


def test_figures_of_other_libraries_are_not_shown_as_the_services_own(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", TWO_OWNERS, str(tmp_path)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert figure(shown, "crossmodal_requests_total", route="/v1/items") == 3
    assert figure(shown, "crossmodal_request_seconds_count") == 1
    assert "feast_" not in shown
