"""Make what was written survive a power cut."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

_FEW = 8


def sync_directory(folder: Path) -> None:
    """Make renames and new entries in `folder` durable (a no-op where directories cannot be opened)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_ORDERED = frozenset({"ext3", "ext4", "xfs", "btrfs"})
"""File systems whose journal keeps the order of changes, so that synchronising a file takes its renaming along."""


def names_follow_files(folder: Path) -> bool:
    """Whether synchronising a file in `folder` after it was renamed makes its new name durable, too.

    Known of some Linux file systems; False wherever it is not known, and on Windows, where open files keep their names.
    """
    try:
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    path = folder.resolve()
    best, kind = -1, ""
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        mounted = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before.split(" ")[4])
        depth = len(Path(mounted).parts)
        if path.is_relative_to(mounted) and depth >= best:  # of mounts over each other the last one counts
            best, kind = depth, after.split(" ")[0]
    return kind in _ORDERED


def sync_all(files: Collection[Path], folders: Collection[Path], *, anchor: Path) -> None:
    """Make `files` (closed, complete) and the entries of `folders` durable.

    Many are flushed by one ``syncfs`` of the file system that holds `anchor` where the system has it: one journal
    commit instead of one a file. Elsewhere each is synchronised by itself, a few at a time.
    """
    if len(files) + len(folders) > _FEW:
        synchronise = _syncfs()
        if synchronise is not None:
            descriptor = os.open(anchor, os.O_RDONLY | os.O_DIRECTORY)
            try:
                synchronise(descriptor)
            finally:
                os.close(descriptor)
            return
    if len(files) > 1:
        with ThreadPoolExecutor(_FEW) as pool:
            list(pool.map(sync_file, files))
    else:
        for path in files:
            sync_file(path)
    for folder in folders:
        sync_directory(folder)


def sync_file(path: Path) -> None:
    """Make the contents of `path` durable."""
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start_writing(descriptor: int, offset: int, count: int) -> None:
    """Ask the disk to begin with bytes of an open file, without waiting: a hint that makes a later fsync shorter."""
    begin = _sync_file_range()
    if begin is not None:
        begin(descriptor, offset, count, 2)  # SYNC_FILE_RANGE_WRITE; an error comes again with fsync


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


@cache
def _syncfs() -> Callable[[int], None] | None:
    """Return ``syncfs`` on Linux 5.8 and later (earlier kernels do not report failed writes), else None."""
    if sys.platform != "linux":
        return None
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release is None or (int(release[1]), int(release[2])) < (5, 8):
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None

    def synchronise(descriptor: int) -> None:
        if function(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return synchronise
