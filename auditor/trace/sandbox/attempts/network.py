"""Attempts to reach anything over a socket."""

from __future__ import annotations

from auditor.trace.sandbox.attempts.registry import Attempt

GROUP = "network"


def attempt(name: str, title: str, code: str, *, harmless: bool = True) -> Attempt:
    return Attempt(name=name, group=GROUP, title=title, code="import socket\n" + code, harmless=harmless)


ATTEMPTS = (
    attempt("tcp-loopback", "connect to a port of the host", 'socket.create_connection(("127.0.0.1", F["tcp"]), 3)'),
    attempt("tcp-any-address", "the same by the address 0.0.0.0", 'socket.create_connection(("0.0.0.0", F["tcp"]), 3)'),
    attempt("tcp-ipv6", "connect over IPv6", 'socket.create_connection(("::1", F["tcp6"] or 9), 3)'),
    attempt(
        "udp",
        "send a datagram to the host",
        'socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"out", ("127.0.0.1", F["udp"]))',
    ),
    attempt(
        "dns",
        "ask a name server",
        """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect(("192.0.2.53", 53))  # an address for documentation: a route to it is enough
s.send(b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x07example\\x03com\\x00\\x00\\x01\\x00\\x01")
got("a way out for a question to a name server")
""",
    ),
    attempt(
        "tcp-outside",
        "connect to another machine",
        """
s = socket.socket()
s.setblocking(False)
code = s.connect_ex(("192.0.2.1", 443))
if code in (0, 115): got("a connection on its way to another machine")
""",
    ),
    attempt(
        "unix-socket",
        "connect to a socket file of the host",
        's = socket.socket(socket.AF_UNIX); s.connect(F["unix"])',
    ),
    attempt(
        "abstract-socket",
        "connect to an abstract socket of the host",
        's = socket.socket(socket.AF_UNIX); s.connect("\\0" + F["abstract"])',
    ),
    attempt(
        "abstract-datagram",
        "send from a socket pair to the host's abstract socket",
        """
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.sendto(b"out", "\\0" + F["abstract_datagrams"])
""",
    ),
    attempt(
        "unix-datagram",
        "send from a socket pair to a socket file of the host",
        """
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.sendto(b"out", F["datagrams"])
""",
    ),
    attempt(
        "raw-socket",
        "open a raw socket",
        'socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); got("a raw socket")',
    ),
    attempt(
        "packet-socket",
        "listen to the wire",
        'socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); got("a packet socket")',
    ),
    attempt(
        "netlink",
        "talk to the kernel's audit and netfilter sockets",
        """
for protocol in (9, 12, 6, 15):
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        got(f"netlink protocol {protocol}")
    except OSError:
        pass
""",
    ),
    attempt(
        "odd-sockets",
        "open sockets of rarely used families",
        """
for family in (9, 17, 21, 29, 31, 35, 38, 40, 44):  # X.25, packet, RDS, CAN, Bluetooth, phonet, crypto, vsock, XDP
    for sort in (1, 2, 3, 5):
        try:
            socket.socket(family, sort, 0)
            got(f"a socket of family {family}")
        except OSError:
            pass
""",
    ),
    attempt(
        "serve",
        "open a port that the host can connect to, and interfaces beyond the loopback",
        """
import os
s = socket.socket()
s.bind(("0.0.0.0", 0))
s.listen()
others = [name for _, name in socket.if_nameindex() if name != "lo"]
if others: got(f"a port on the interface {others[0]}")
""",
    ),
)
