"""curl through the tunnel: many downloads at once, each on its own connection."""

import os
import subprocess

DOWNLOADS = 20
SIZE = 5 * 1024 * 1024
TIMEOUT = 120


def curl(port, name, target, *more):
    return subprocess.Popen(["curl", "--noproxy", "*", "-sS", "--fail", "-o", target, *more,
                             f"http://127.0.0.1:{port}/{name}"], stdin=subprocess.DEVNULL)


def test_twenty_downloads_at_once(lab, web):
    for number in range(DOWNLOADS):
        (web.directory / f"file{number}").write_bytes(os.urandom(SIZE))
    tunnel = lab.tunnel({"HTTP": f"127.0.0.1:{web.port}"})
    copies = lab.make_directory("copies")
    running = [curl(tunnel.ports["HTTP"], f"file{number}", copies / f"file{number}") for number in range(DOWNLOADS)]
    assert [process.wait(TIMEOUT) for process in running] == [0] * DOWNLOADS
    for number in range(DOWNLOADS):
        assert (copies / f"file{number}").read_bytes() == (web.directory / f"file{number}").read_bytes()


def test_an_http_error_of_the_far_end(lab, web):
    tunnel = lab.tunnel({"HTTP": f"127.0.0.1:{web.port}"})
    # 22: the server answered with 400 or above.
    assert curl(tunnel.ports["HTTP"], "nothing-here", "/dev/null").wait(TIMEOUT) == 22


def test_downloads_one_after_the_other(lab, web):
    (web.directory / "small").write_bytes(b"0123456789" * 100)
    tunnel = lab.tunnel({"HTTP": f"127.0.0.1:{web.port}"})
    for number in range(50):
        target = lab.directory / "small"
        assert curl(tunnel.ports["HTTP"], "small", target).wait(TIMEOUT) == 0, f"download {number}"
        assert target.read_bytes() == b"0123456789" * 100
        target.unlink()
