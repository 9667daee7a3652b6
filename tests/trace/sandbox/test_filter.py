"""The filter's program, run through a small interpreter of BPF."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.trace.sandbox.box import Mode
from auditor.trace.sandbox.filter import (
    ALLOW,
    ARCH,
    ARGS,
    ERRNO,
    NEW_NAMESPACES,
    NR,
    Instruction,
    assemble,
    program,
    rules,
)
from auditor.trace.sandbox.syscalls import AUDIT_ARCH, MACHINES, NEWEST, NUMBERS, REFUSED, X32_BIT, number

SEALED = (Mode.BUBBLEWRAP, Mode.LANDLOCK)
ALLOWED = -1


def interpret(code: list[Instruction], words: dict[int, int]) -> int:
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, constant = code[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = words[constant]
            case 0x54:
                accumulator &= constant
            case 0x06:
                return constant
            case 0x15:
                at += if_true if accumulator == constant else if_false
            case 0x25:
                at += if_true if accumulator > constant else if_false
            case _:
                raise AssertionError(f"unknown instruction {operation:#x}")


def answer(mode: Mode, nr: int, *args: int, machine: str = "x86_64", arch: int | None = None, gpu: bool = False) -> int:
    """The errno that a call gets, or ALLOWED."""
    words = {NR: nr, ARCH: AUDIT_ARCH[machine] if arch is None else arch}
    words |= {ARGS + 8 * n: (args[n] if n < len(args) else 0) & 0xFFFFFFFF for n in range(6)}
    verdict = interpret(program(mode, machine, gpu), words)
    if verdict == ALLOW:
        return ALLOWED
    assert verdict & 0xFFFF0000 == ERRNO
    return verdict & 0xFFFF


def nr(name: str, machine: str = "x86_64") -> int:
    found = number(name, machine)
    assert found is not None
    return found


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("mode", SEALED)
def test_every_refused_call_is_refused_whatever_its_arguments(mode: Mode, machine: str) -> None:
    for name in REFUSED:
        at = number(name, machine)
        if at is not None:
            assert answer(mode, at, 1, 2, 3, machine=machine) == errno.EPERM, name


@given(st.integers(0, 0xFFFFFFFF), st.lists(st.integers(0, 0xFFFFFFFF), max_size=6), st.sampled_from(SEALED))
def test_every_call_gets_a_verdict_and_the_unnamed_are_allowed(call: int, args: list[int], mode: Mode) -> None:
    named = {n for pair in NUMBERS.values() if (n := pair[0]) is not None}
    verdict = answer(mode, call, *args)
    if call > NEWEST:
        assert verdict == errno.ENOSYS
    elif call not in named:
        assert verdict == ALLOWED


@pytest.mark.parametrize("mode", SEALED)
def test_other_doors_to_the_same_calls_are_shut(mode: Mode) -> None:
    assert answer(mode, X32_BIT | 1) == errno.ENOSYS
    assert answer(mode, 1, arch=0x40000003) == errno.ENOSYS  # i386
    assert answer(mode, nr("clone3")) == errno.ENOSYS


@given(st.integers(0, 0xFFFFFFFF))
def test_clone_is_for_threads_and_children_only(flags: int) -> None:
    expected = errno.EPERM if flags & NEW_NAMESPACES else ALLOWED
    assert answer(Mode.BUBBLEWRAP, nr("clone"), flags) == expected
    assert answer(Mode.LANDLOCK, nr("clone"), flags) == expected


SOCKETS = [  # family, type, protocol; refused in a network namespace? Landlock refuses every socket
    (1, 1, 0, False),
    (1, 2 | 0o2000000, 0, False),
    (2, 1, 6, False),
    (2, 2, 17, False),
    (10, 1 | 0o4000, 0, False),
    (16, 3, 0, False),
    (2, 3, 1, True),
    (2, 1, 132, True),
    (10, 3, 58, True),
    (16, 3, 9, True),
    (16, 3, 12, True),
    (17, 3, 0, True),
    (38, 5, 0, True),
    (40, 1, 0, True),
]


def test_beside_the_graphics_driver_a_socket_may_wait_but_not_connect() -> None:
    for family, sort, protocol, _ in SOCKETS:
        waits = answer(Mode.LANDLOCK, nr("socket"), family, sort, protocol, gpu=True) == ALLOWED
        assert waits is ((family, sort) == (1, 1))
    assert answer(Mode.LANDLOCK, nr("connect"), 3, gpu=True) == errno.EPERM
    assert answer(Mode.BUBBLEWRAP, nr("connect"), 3, gpu=True) == ALLOWED


@pytest.mark.parametrize(("family", "sort", "protocol", "refused"), SOCKETS)
def test_sockets(family: int, sort: int, protocol: int, refused: bool) -> None:
    assert (answer(Mode.BUBBLEWRAP, nr("socket"), family, sort, protocol) != ALLOWED) is refused
    assert answer(Mode.LANDLOCK, nr("socket"), family, sort, protocol) == errno.EPERM


def test_pairs_of_sockets() -> None:
    assert answer(Mode.LANDLOCK, nr("socketpair"), 1, 1) == ALLOWED
    assert answer(Mode.LANDLOCK, nr("socketpair"), 1, 2) == errno.EPERM  # could send to any path
    assert answer(Mode.LANDLOCK, nr("socketpair"), 2, 1) == errno.EPERM
    assert answer(Mode.BUBBLEWRAP, nr("socketpair"), 1, 2) == ALLOWED


def test_only_its_own_limits_and_priorities() -> None:
    for mode in SEALED:
        assert answer(mode, nr("prlimit64"), 0) == ALLOWED
        assert answer(mode, nr("prlimit64"), 77) == errno.EPERM
    assert answer(Mode.LANDLOCK, nr("setpriority"), 0, 0) == ALLOWED
    assert answer(Mode.LANDLOCK, nr("setpriority"), 0, 77) == errno.EPERM
    assert answer(Mode.LANDLOCK, nr("setpriority"), 2, 0) == errno.EPERM
    assert answer(Mode.LANDLOCK, nr("sched_setaffinity"), 77) == errno.EPERM


def test_attributes_under_landlock_seem_to_change() -> None:
    assert answer(Mode.LANDLOCK, nr("fchmodat")) == 0
    assert answer(Mode.LANDLOCK, nr("utimensat")) == 0
    assert answer(Mode.LANDLOCK, nr("setxattr")) == errno.ENOTSUP
    assert answer(Mode.BUBBLEWRAP, nr("fchmodat")) == ALLOWED


def test_typing_into_terminals() -> None:
    for mode in SEALED:
        assert answer(mode, nr("ioctl"), 0, 0x5412) == errno.EPERM
        assert answer(mode, nr("ioctl"), 0, 0x5401) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("mode", SEALED)
def test_the_kernel_can_load_it(mode: Mode, machine: str) -> None:
    code = program(mode, machine)
    assert len(assemble(mode, machine)) == 8 * len(code) <= 8 * 4096
    for at, (operation, if_true, if_false, constant) in enumerate(code):
        assert 0 <= if_true <= 255
        assert 0 <= if_false <= 255
        assert 0 <= constant <= 0xFFFFFFFF
        if operation in (0x15, 0x25):
            assert at + 1 + max(if_true, if_false) < len(code)


def test_unsealed_has_no_rules() -> None:
    assert rules(Mode.UNSEALED) == ()
