"""Name services besides files and DNS: libc loads them into resolve, whose filter must allow their calls."""

import pathlib

import pytest
from harness.dns_server import DnsServer
from harness.ports import free_port

# In nsswitch.conf in front of dns. No test installs one, since that would change the machine's own lookups.
MODULES = ("mymachines", "myhostname", "resolve", "mdns4_minimal", "mdns4")


def is_installed(module):
    return any(pathlib.Path("/usr/lib").glob(f"*/libnss_{module}.so.2"))


@pytest.mark.parametrize("module", MODULES)
def test_a_service_that_does_not_know_the_name(lab, namespace, module):
    if not is_installed(module):
        pytest.skip(f"libnss-{module} is not installed")
    net = namespace()
    net.write("nsswitch.conf", f"passwd: files\ngroup: files\nhosts: files {module} dns\n")
    server = lab.use(net.run(DnsServer, {"tunnel.test": ["127.0.0.1"]}))
    source = lab.lonely_source(f"tunnel.test:{free_port()}", inside=net)
    assert source.wait() == 69
    assert "was killed by" not in source.log
    assert source.find_log(r"Resolved proxy server IP: 127\.0\.0\.1")
    assert "tunnel.test" in server.queries
