"""A disk that SQLite's files are on, which notes what is written and may lose power or fail.

SQLite asks its operating system through a VFS; this one passes everything on to the real one and
notes writes, truncations, syncs and deletions in their order. ``after_power_cuts`` says what the
files hold when the power goes at some entry: everything that was synced, and of the rest whatever a
disk may have chosen to write, some of it torn in the middle.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import apsw
import pytest

SECTOR = 512
"""What a disk writes whole or not at all, in bytes."""

Kind: TypeAlias = Literal["read", "write", "truncate", "sync", "delete"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that SQLite asked for. ``offset`` is the new size of a truncated file."""

    kind: Kind
    path: str
    offset: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Disk:
    """What has been asked so far, but for reads; ``before`` is called first and may raise."""

    entries: list[Entry] = field(default_factory=list)
    before: Callable[[Entry], None] = lambda _: None

    def note(self, entry: Entry) -> None:
        self.before(entry)
        self.entries.append(entry)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.before(Entry("read", self._path, offset))
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.note(Entry("write", self._path, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.note(Entry("truncate", self._path, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.note(Entry("sync", self._path))
        super().xSync(flags)


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__("noted", "")
        self._disk = disk

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._disk.note(Entry("delete", filename))
        super().xDelete(filename, syncdir)


@contextmanager
def noted_disk() -> Iterator[Disk]:
    """Every SQLite file that is opened meanwhile is on the disk that this gives."""
    disk = Disk()
    vfs = _Vfs(disk)

    class NotedConnection(apsw.Connection):
        def __init__(self, filename: str) -> None:
            super().__init__(filename, vfs="noted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apsw, "Connection", NotedConnection)
        yield disk
    vfs.unregister()


class _Contents:
    """One file: what is certainly on the disk, and what has been asked for since the last sync."""

    def __init__(self) -> None:
        self.synced = bytearray()
        self.pending: list[Entry] = []

    def sync(self) -> None:
        for entry in self.pending:
            _carry_out(self.synced, entry)
        self.pending.clear()

    def after_power_cut(self, chance: random.Random) -> bytearray:
        found = bytearray(self.synced)
        for entry in self.pending:
            dice = chance.random()
            if dice < 0.5:
                continue
            torn = entry.kind == "write" and dice < 0.75 and len(entry.data) > SECTOR
            if torn:
                sectors = chance.randrange(1, len(entry.data) // SECTOR + 1)
                entry = Entry("write", entry.path, entry.offset, entry.data[: sectors * SECTOR])
            _carry_out(found, entry)
        return found


def _carry_out(content: bytearray, entry: Entry) -> None:
    if entry.kind == "truncate":
        del content[entry.offset :]
        return
    end = entry.offset + len(entry.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[entry.offset : end] = entry.data


def after_power_cuts(
    entries: list[Entry], cuts: list[int], chance: random.Random
) -> Iterator[tuple[int, dict[str, bytearray]]]:
    """What the files hold, by name, when the power goes before the entry of each number in turn."""
    files: dict[str, _Contents] = {}
    done = 0
    for cut in sorted(cuts):
        for entry in entries[done:cut]:
            name = Path(entry.path).name
            if entry.kind == "delete":
                files.pop(name, None)
                continue
            file = files.setdefault(name, _Contents())
            if entry.kind == "sync":
                file.sync()
            else:
                file.pending.append(entry)
        done = cut
        yield cut, {name: file.after_power_cut(chance) for name, file in files.items()}
