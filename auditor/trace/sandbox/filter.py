"""The filter of system calls: a classic BPF program, written by hand.

By hand, because the program is a list of comparisons, and a library would add a C dependency (libseccomp) and a
binding to what a hundred lines do; a test runs every rule through an interpreter of BPF. Refused calls return an error and
do not kill, so that programs that merely try something go on. What is not named here is allowed:
programs under test use a large and unknown part of the interface, and the walls are the namespaces or Landlock;
the filter takes away what could open a door in them.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

from auditor.trace.sandbox.box import Mode
from auditor.trace.sandbox.syscalls import AUDIT_ARCH, NEWEST, NUMBERS, REFUSED, X32_BIT, number

LOAD, AND, RETURN = 0x20, 0x54, 0x06
EQUAL, GREATER, AT_LEAST, ANY_BIT = 0x15, 0x25, 0x35, 0x45
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NR, ARCH, ARGS = 0, 4, 16  # offsets in struct seccomp_data

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant

NEW_NAMESPACES = 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00020000
TYPE_INTO_TERMINAL = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
STREAM, DATAGRAM, SEQPACKET = 1, 2, 5
TCP, UDP, ROUTE = 6, 17, 0

ATTRIBUTES = tuple(
    n for n in NUMBERS if n.startswith(("chmod", "fchmod", "chown", "fchown", "lchown", "utime", "futime"))
)
EXTENDED = tuple(n for n in NUMBERS if n.endswith("xattr"))


@dataclass(frozen=True)
class Test:
    """Refuse a call if one of its arguments, masked, is among some values (or, `inverted`, is none of them)."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    inverted: bool = False
    error: int = errno.EPERM


@dataclass(frozen=True)
class Rule:
    """What happens to one call: every test in turn, or, without tests, always `error`.

    With `families` the first argument selects the tests; one that is not listed gets `error`.
    """

    call: str
    tests: tuple[Test, ...] = ()
    error: int = errno.EPERM
    families: tuple[tuple[int, tuple[Test, ...]], ...] = ()


USUAL = Test(1, (STREAM, DATAGRAM, SEQPACKET), mask=0xF, inverted=True)
SOCKETS = (
    (AF_UNIX, (USUAL,)),
    (AF_INET, (USUAL, Test(2, (0, TCP, UDP), inverted=True))),
    (AF_INET6, (USUAL, Test(2, (0, TCP, UDP), inverted=True))),
    (AF_NETLINK, (Test(2, (ROUTE,), inverted=True),)),  # how programs ask for the names of interfaces
)


# NVIDIA's driver gives up if it cannot open a socket for others to connect to. Such a one is no door: nothing can be
# connected from here, and a stream sends nothing unless it is connected.
GPU_SOCKETS = (
    Rule("socket", families=((AF_UNIX, (Test(1, (STREAM, SEQPACKET), mask=0xF, inverted=True),)),)),
    Rule("connect"),
)


def rules(mode: Mode, gpu: bool = False) -> tuple[Rule, ...]:
    """The rules of a mode; UNSEALED has none. `gpu`: the graphics driver is used."""
    if mode is Mode.UNSEALED:
        return ()
    common = (
        *(Rule(name) for name in REFUSED),
        # glibc falls back from clone3, whose flags lie in memory that a filter cannot read, to clone.
        Rule("clone3", error=errno.ENOSYS),
        Rule("clone", tuple(Test(0, (bit,), mask=bit) for bit in bits(NEW_NAMESPACES))),
        Rule("ioctl", (Test(1, TYPE_INTO_TERMINAL),)),
        Rule("prlimit64", (others(0),)),
    )
    if mode is Mode.BUBBLEWRAP:
        # In the namespace of its own there is only the loopback device: ranks of one run may talk to each other.
        return (
            *common,
            Rule("socket", error=errno.EAFNOSUPPORT, families=SOCKETS),
            Rule("socketpair", (Test(0, (AF_UNIX,), inverted=True),)),
        )
    return (
        *common,
        # Landlock restricts ports, not addresses, and no connection to a socket that has a path.
        *(GPU_SOCKETS if gpu else (Rule("socket"),)),
        # Either end of a pair for datagrams could send to any socket that has a path.
        Rule("socketpair", (Test(0, (AF_UNIX,), inverted=True), Test(1, (STREAM, SEQPACKET), mask=0xF, inverted=True))),
        Rule("inotify_init"),  # Landlock lets it watch files that cannot be opened
        Rule("inotify_init1"),
        # The child shares the host's process numbers: it may set its own priorities, nobody else's.
        *(Rule(name, (others(0),)) for name in ("sched_setparam", "sched_setscheduler", "sched_setattr")),
        Rule("sched_setaffinity", (others(0),)),
        Rule("setpriority", (Test(0, (0,), inverted=True), others(1))),
        Rule("ioprio_set", (Test(0, (1,), inverted=True), others(1))),
        # Landlock guards no attributes. These report success and do nothing: programs copy files with them.
        *(Rule(name, error=0) for name in ATTRIBUTES),
        *(Rule(name, error=errno.ENOTSUP) for name in EXTENDED),
    )


def bits(mask: int) -> list[int]:
    return [1 << n for n in range(32) if mask >> n & 1]


def others(argument: int) -> Test:
    """Refuse any process but the caller itself, who is 0."""
    return Test(argument, (0,), inverted=True)


def program(mode: Mode, machine: str, gpu: bool = False) -> list[Instruction]:
    """The BPF program of a mode on a machine."""
    foreign = refuse(errno.ENOSYS)  # calls of another architecture, e.g. by `int 0x80`
    code: list[Instruction] = [
        (LOAD, 0, 0, ARCH),
        (EQUAL, 1, 0, AUDIT_ARCH[machine]),
        foreign,
        (LOAD, 0, 0, NR),
        (GREATER, 0, 1, NEWEST),  # unsigned: the x32 table, with its high bit, is above it too
        refuse(errno.ENOSYS),
    ]
    assert X32_BIT > NEWEST
    for rule in rules(mode, gpu):
        nr = number(rule.call, machine)
        if nr is None:
            continue
        body = body_of(rule)
        code += [(EQUAL, 0, len(body), nr), *body]
    return [*code, allow()]


def body_of(rule: Rule) -> list[Instruction]:
    """What follows once the call is recognised; it always ends in a verdict."""
    code: list[Instruction] = []
    for value, tests in rule.families:
        inner = [i for t in tests for i in testing(t)] + [allow()]
        code += [(LOAD, 0, 0, ARGS), (EQUAL, 0, len(inner), value), *inner]
    code += [i for t in rule.tests for i in testing(t)]
    return [*code, allow() if rule.tests else refuse(rule.error)]


def testing(test: Test) -> list[Instruction]:
    """Instructions that refuse, or fall through to what follows them."""
    count = len(test.values)
    head: list[Instruction] = [(LOAD, 0, 0, ARGS + 8 * test.argument)]
    if test.mask != 0xFFFFFFFF:
        head.append((AND, 0, 0, test.mask))
    refusal = refuse(test.error)
    if test.inverted:  # any equal value jumps behind the refusal
        return [*head, *((EQUAL, count - n, 0, v) for n, v in enumerate(test.values)), refusal]
    checks: list[Instruction] = [(EQUAL, count - 1 - n, 0, v) for n, v in enumerate(test.values)]
    checks[-1] = (EQUAL, 0, 1, test.values[-1])
    return [*head, *checks, refusal]


def refuse(error: int) -> Instruction:
    return (RETURN, 0, 0, ERRNO | error)


def allow() -> Instruction:
    return (RETURN, 0, 0, ALLOW)


def assemble(mode: Mode, machine: str, gpu: bool = False) -> bytes:
    """The program as the kernel wants it: an array of `struct sock_filter`."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program(mode, machine, gpu))
