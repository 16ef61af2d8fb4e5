"""iperf3 through the tunnel: a control connection and data connections on the same service."""

import json
import subprocess

import pytest
from harness.ports import free_port
from harness.wait import until

BYTES = 200 * 1000 * 1000
TIMEOUT = 120


class Iperf:
    def __init__(self, directory):
        self.port = free_port()
        self.log = directory / "iperf3.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(["iperf3", "--server", "--bind", "127.0.0.1", "--port", str(self.port),
                                              "--forceflush"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: "listening" in self.log.read_text(encoding="utf-8"), "iperf3 listens")
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self._process.terminate()
        self._process.wait(10)


@pytest.mark.parametrize("streams", [1, 4])
@pytest.mark.parametrize("direction", [[], ["--reverse"]], ids=["to the destination", "from the destination"])
def test_iperf3(lab, direction, streams):
    server = lab.use(Iperf(lab.directory))
    tunnel = lab.tunnel({"IPERF": f"127.0.0.1:{server.port}"})
    done = subprocess.run(
        ["iperf3", "--client", "127.0.0.1", "--port", str(tunnel.ports["IPERF"]), "--bytes", str(BYTES),
         "--parallel", str(streams), "--json", *direction],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 0, report.get("error")
    assert report["end"]["sum_sent"]["bytes"] >= BYTES * 0.99
    received = report["end"]["sum_received"]["bytes"]
    # Bytes in flight when the sender reported its end do not count: a few MB per stream.
    assert received >= BYTES * 0.8
