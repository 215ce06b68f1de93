"""Being alone on the network: Orthanc and DCMTK listen on every address, so tests run them where only loopback exists.

`enter` makes sure of that. The simplest way is to start the whole test run inside a namespace::

    unshare -rn sh -c 'ip link set lo up && exec .venv/bin/pytest -m peers'

Otherwise, where the system allows it (as root, or before any thread was started), the test process moves into a network
namespace of its own; its children follow.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 0x1


def is_private() -> bool:
    """Whether this process sees no network interface but loopback."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def enter() -> str:
    """Make this process see loopback only; return why that is impossible, or "" when it is so."""
    if not hasattr(socket, "if_nameindex") or not Path("/proc/self/ns/net").exists():
        return "network namespaces need Linux"
    if not is_private():
        reason = _unshare()
        if reason:
            return reason
    return _loopback_up()


def _unshare() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return ""
    # Without privileges a user namespace is needed as well, which only a process with one thread may enter
    user, group = os.getuid(), os.getgid()
    if len(list(Path("/proc/self/task").iterdir())) == 1 and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        return ""
    return (
        f"no private network namespace ({os.strerror(ctypes.get_errno())}); "
        "run the tests with: unshare -rn sh -c 'ip link set lo up && exec pytest -m peers'"
    )


def _loopback_up() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(sock, _SIOCGIFFLAGS, request)[:18])[1]
        if flags & _IFF_UP:
            return ""
        try:
            fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))
        except OSError as error:
            return f"the loopback interface cannot be brought up ({error.strerror})"
    return ""
