"""The resolver's files may be anywhere, behind links, and are renewed by renaming while a proxy runs."""

import re
import subprocess

import pytest
from harness.dns_server import DnsServer
from harness.layout import Layout
from harness.netns import DNS_ADDRESS
from harness.ports import free_port

AGAIN_AND_AGAIN = {"websocket": {"connect_retry_count": -1, "retry_delay_ms": 100}}
GOOD = f"nameserver {DNS_ADDRESS}\n"
# Nothing listens there.
BAD = "nameserver 127.0.0.54\n"

# Links, by path, and the place of the file. FILE stands for its name.
LAYOUTS = {
    "a file": ({}, "/etc/FILE"),
    "connman": ({"/etc/FILE": "/run/connman/FILE"}, "/run/connman/FILE"),
    "netconfig": ({"/etc/FILE": "/run/netconfig/FILE"}, "/run/netconfig/FILE"),
    "dhcpcd, through /var/run": ({"/etc/FILE": "/var/run/dhcpcd/FILE"}, "/run/dhcpcd/FILE"),
    "wsl": ({"/etc/FILE": "/mnt/wsl/FILE"}, "/mnt/wsl/FILE"),
    "yocto": ({"/etc/FILE": "/run/FILE"}, "/run/FILE"),
    "a relative link": ({"/etc/FILE": "../srv/net/FILE"}, "/srv/net/FILE"),
    "a chain": ({"/etc/FILE": "alternatives/FILE", "/etc/alternatives/FILE": "/opt/net/current",
                 "/opt/net/current": "real/FILE"}, "/opt/net/real/FILE"),
    "a linked directory": ({"/etc/FILE": "/opt/current/FILE", "/opt/current": "releases/2"}, "/opt/releases/2/FILE"),
    "a link that becomes a file": ({"/etc/FILE": "/run/a/FILE", "/run/a/FILE": "/run/b/FILE"}, "/run/a/FILE"),
}


@pytest.fixture
def layout(lab, namespace):
    net = namespace()
    made = Layout(lab.make_directory("system"), net)
    made.write("/etc/resolv.conf", GOOD)
    made.server = lab.use(net.run(DnsServer, {"tunnel.test": ["127.0.0.1"]}))
    return made


def arrange(layout, name, file):
    """Makes the links of a layout; returns the path of the file."""
    links, place = LAYOUTS[name]
    layout.path(f"/etc/{file}").unlink()
    for at, target in links.items():
        layout.link(at.replace("FILE", file), target.replace("FILE", file))
    return place.replace("FILE", file)


def start(lab, layout):
    return lab.lonely_source(f"tunnel.test:{free_port()}", settings=AGAIN_AND_AGAIN, inside=layout)


@pytest.mark.parametrize("name", LAYOUTS)
def test_resolv_conf(lab, layout, name):
    place = arrange(layout, name, "resolv.conf")
    layout.write(LAYOUTS[name][0].get("/run/a/FILE", place).replace("FILE", "resolv.conf"), BAD)
    source = start(lab, layout)
    source.wait_log("cannot resolve tunnel.test: ")
    layout.write(place, GOOD)
    source.wait_log(r"Resolved proxy server IP: 127\.0\.0\.1$")
    # net, which starts before the look-up, says the same of certificates, of which this system has none.
    assert not source.find_log(r"cannot read (?!the certificate directory /usr/lib/ssl/certs)")


@pytest.mark.parametrize("name", LAYOUTS)
def test_hosts(lab, layout, name):
    place = arrange(layout, name, "hosts")
    layout.write(LAYOUTS[name][0].get("/run/a/FILE", place).replace("FILE", "hosts"), "127.0.0.8 tunnel.test\n")
    source = start(lab, layout)
    source.wait_log(r"Resolved proxy server IP: 127\.0\.0\.8$")
    layout.write(place, "127.0.0.9 tunnel.test\n")
    source.wait_log(r"Resolved proxy server IP: 127\.0\.0\.9$")


def test_a_file_that_appears_after_the_start(lab, layout):
    layout.link("/etc/resolv.conf", "/run/connman/resolv.conf")
    source = start(lab, layout)
    source.wait_log(r"cannot resolve tunnel\.test: .*; cannot read /etc/resolv\.conf "
                    r"\(a link to /run/connman/resolv\.conf\): it is not there; .*start localproxy after")
    layout.write("/run/connman/resolv.conf", GOOD)
    source.wait_log(r"Resolved proxy server IP: 127\.0\.0\.1$")


def test_an_unreadable_file_is_named(lab, layout):
    layout.write("/etc/resolv.conf", GOOD, mode=0o600)
    source = start(lab, layout)
    source.wait_log(r"cannot resolve tunnel\.test: .*; cannot read /etc/resolv\.conf: the user .* allowed to")


def test_a_file_that_has_moved_away_is_named(lab, layout):
    layout.write("/etc/resolv.conf", BAD)
    source = start(lab, layout)
    source.wait_log("cannot resolve tunnel.test: ")
    layout.write("/srv/resolv.conf", GOOD)
    layout.link("/etc/resolv.conf", "/srv/resolv.conf")
    source.wait_log(r"cannot read /etc/resolv\.conf: it is elsewhere since localproxy was started; start it again")


# A name service module that knows one name.
MODULE = r"""
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdint.h>
#include <string.h>
enum nss_status _nss_elsewhere_gethostbyname4_r(const char* name, struct gaih_addrtuple** found, char* buffer,
                                                size_t size, int* error, int* h_error, int32_t* ttl) {
  (void)ttl;
  if (strcmp(name, "module.test") != 0) { *h_error = HOST_NOT_FOUND; *error = ENOENT; return NSS_STATUS_NOTFOUND; }
  if (size < sizeof **found + 16) { *error = ERANGE; return NSS_STATUS_TRYAGAIN; }
  struct gaih_addrtuple* one = *found != 0 ? *found : (struct gaih_addrtuple*)buffer;
  memset(one, 0, sizeof *one);
  one->name = strcpy(buffer + sizeof *one, name);
  one->family = AF_INET;
  one->addr[0] = htonl(0x7f000007);
  *found = one;
  return NSS_STATUS_SUCCESS;
}
"""


def test_a_name_service_in_a_directory_of_ld_so_conf(lab, layout):
    source_text = lab.directory / "module.c"
    source_text.write_text(MODULE, encoding="ascii")
    libraries = layout.path("/opt/vendor/lib")
    libraries.mkdir(parents=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-soname,libnss_elsewhere.so.2", "-o",
                    libraries / "libnss_elsewhere.so.2", source_text], check=True)
    layout.write("/etc/ld.so.conf.d/vendor.conf", "# of a vendor\n/opt/vendor/lib\n")
    layout.run("ldconfig", "-i", "-X")
    layout.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files elsewhere dns\n")
    source = lab.lonely_source(f"module.test:{free_port()}", inside=layout)
    assert source.wait() == 69
    assert re.search(r"Resolved proxy server IP: 127\.0\.0\.7$", source.log, re.MULTILINE)
    assert "module.test" not in layout.server.queries
