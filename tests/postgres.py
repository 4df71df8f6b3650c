"""PostgreSQL servers of the tests' own: their folder, port and socket are nobody else's.

A server that the machine runs is never touched. Whoever starts one here may crash, be killed or
be interrupted: a guard process waits for his end, stops the server and removes its folder.
"""

import contextlib
import json
import os
import pwd
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import psutil

from scripts.postgresql import find_programs

StopMode = Literal["smart", "fast", "immediate"]

ROOT = Path(__file__).resolve().parent.parent
USER = "postgres"
KNOWN_AS = "cluster.json"

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # The tests of durability rest on these. They are PostgreSQL's defaults, and stay so here.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %d ",
}


class PostgresFailed(Exception):
    """A program of PostgreSQL failed; the message carries what it and the server's log said."""


class PostgresCluster:
    """One PostgreSQL server with its databases, in a folder of its own.

    The folder must be new, or one that held a cluster before: then this is that same cluster, also
    from another process. Everybody on the way to it must be let through (``new_directory`` sees to
    that), since the server never runs as root.
    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._settings = {**SETTINGS, **(settings or {})}
        programs = find_programs()
        if programs is None:
            raise PostgresFailed(
                "No PostgreSQL server (15 or newer) is installed. `make test` installs it when it "
                "may; otherwise install the package postgresql."
            )
        self.programs = programs
        self._known_as = directory / KNOWN_AS
        if self._known_as.exists():
            known = json.loads(self._known_as.read_text())
            self.port: int = known["port"]
            self._password: str = known["password"]
        else:
            self.port = free_port()
            self._password = secrets.token_urlsafe(24)

    @staticmethod
    def new_path() -> Path:
        """A path for a new folder where the server's user can go; short, as sockets need it."""
        shared = Path(tempfile.gettempdir())
        if any(parent.stat().st_mode & 0o001 == 0 for parent in (shared, *shared.parents)):
            shared = Path("/tmp")
        return shared / f"meibo-postgres-{secrets.token_hex(6)}"

    @classmethod
    def new_directory(cls) -> Path:
        """A new folder at such a path."""
        directory = cls.new_path()
        make_passable(directory)
        return directory

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether ``directory`` holds a cluster, running or not."""
        return (directory / KNOWN_AS).exists()

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's log, all its starts in one file."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int | None:
        """The process id of the running server (its postmaster), None when it does not run."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        # A killed server leaves the file, and its number may be another process's by now.
        with contextlib.suppress(psutil.NoSuchProcess):
            if str(self.data) in psutil.Process(pid).cmdline():  # a zombie's is empty
                return pid
        return None

    @property
    def version(self) -> str:
        """The server's version, such as 15.18."""
        told = self._run([self.programs / "postgres", "--version"])
        return told.split()[2]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self, *, owner: int | None = None) -> None:
        """Start the server and return when it accepts connections; at first, create it.

        After ``kill`` or ``stop`` it comes back on the same port, with recovery where that is due.
        When the process ``owner`` (by default this one) ends, the server does too.
        """
        if not self.data.exists():
            self._create()
            self._guard(owner or os.getpid())
        self._run(
            [
                *(self.programs / "pg_ctl", "start", "--wait", "--timeout=60"),
                *("-D", self.data, "-l", self.log),
                *("-o", f"-p {self.port} -k {self.directory / 'socket'}"),
            ]
        )

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server, if it runs: see pg_ctl for the modes; "immediate" needs recovery."""
        if self.pid is not None:
            stop = (self.programs / "pg_ctl", "stop", "--wait", "--timeout=60", f"--mode={mode}")
            self._run([*stop, "-D", self.data])

    def kill(self) -> None:
        """End the server with kill -9, and return when all its processes are gone.

        What a backend had begun it may still finish: the others notice only between statements.
        """
        pid = self.pid
        if pid is None:
            return
        server = psutil.Process(pid)
        processes = [server, *server.children(recursive=True)]
        server.kill()
        # Until the last one lets go of the shared memory, a new server refuses to start.
        deadline = time.monotonic() + 10
        while any(is_alive(process) for process in processes):
            if time.monotonic() > deadline:
                raise PostgresFailed("Processes of a killed server are still there after 10 s.")
            time.sleep(0.005)
        # A dead server counts as running for as long as nobody has waited for it, which may be
        # long where process 1 is no real init. All its processes are gone: its locks are void.
        for lock in (self.data / "postmaster.pid", *(self.directory / "socket").glob(".*.lock")):
            lock.unlink(missing_ok=True)

    def remove(self) -> None:
        """End the server and remove its folder with all data."""
        self.stop("immediate")
        if guard := GUARDS.pop(self.directory, None):
            guard.terminate()
            guard.wait()
        shutil.rmtree(self.directory)

    def create_database(self, template: str = "template0") -> str:
        """The URL of a new database, a copy of ``template``, to which nobody may be connected."""
        name = f"meibo_{secrets.token_hex(6)}"
        # Copying files takes 35 ms, writing every page through the log (the default) 50.
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database of this URL, whoever is still connected to it."""
        self.execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """Run SQL as the superuser; the rows come back one a line, columns parted by tabs.

        It works with psql in a process of its own: from a test, a fixture or a thread alike.
        """
        psql = (self.programs / "psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1")
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database)
        # In the environment, because everybody on the machine may read a command line.
        return self._run([*psql, *place, "-c", sql], {"PGPASSWORD": self._password})

    def _create(self) -> None:
        for folder in (self.data, self.directory / "socket"):
            folder.mkdir(0o700)
            self._hand_over(folder)
        password = self.directory / "password"
        for file in (password, self.log):
            file.touch(0o600)
            self._hand_over(file)
        password.write_text(self._password)
        self._run(
            [
                *(self.programs / "initdb", "-D", self.data, "--data-checksums", "--no-sync"),
                *(f"--username={USER}", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"),
                # A password in clear, on loopback: scram costs every new connection 10 ms.
                *("--auth-host=password", "--auth-local=password"),
            ]
        )
        password.unlink()
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._settings.items())

    def _guard(self, owner: int) -> None:
        self._known_as.touch(0o600)
        self._known_as.write_text(json.dumps({"port": self.port, "password": self._password}))
        GUARDS[self.directory] = subprocess.Popen(
            [sys.executable, "-m", "tests.postgres", str(self.directory), str(owner)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C goes to everybody in the terminal's group; the guard must outlive it.
            start_new_session=True,
        )

    def _hand_over(self, path: Path) -> None:
        if os.geteuid() == 0:
            user = server_user()
            os.chown(path, user.pw_uid, user.pw_gid)

    def _run(
        self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> str:
        """What ``command`` wrote, run as the server's user.

        Raises:
            PostgresFailed: it failed, or took longer than two minutes.
        """
        other = server_user() if os.geteuid() == 0 else None
        # PGPORT, PGDATA and the like would lead to somebody else's server.
        inherited = {name: text for name, text in os.environ.items() if name[:2] != "PG"}
        # A file, not a pipe: the server inherits it and would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(word) for word in command],
                cwd="/",
                env={**inherited, "LC_ALL": "C", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=other.pw_uid if other else None,
                group=other.pw_gid if other else None,
                extra_groups=[] if other else None,
                timeout=120,
                check=False,
            )
            output.seek(0)
            told = output.read()
        if done.returncode != 0:
            log = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise PostgresFailed(f"{Path(command[0]).name} failed:\n{told}{log}")
        return told.rstrip("\n")


GUARDS: dict[Path, "subprocess.Popen[bytes]"] = {}
"""The guards that this process has started, by the folder that each watches over."""


def make_passable(directory: Path) -> None:
    """Create the folder, if it is not there; everybody may pass through, whatever our umask."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)


def server_user() -> pwd.struct_passwd:
    """Who runs the server when we are root, which PostgreSQL refuses."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def is_alive(process: psutil.Process) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """A port of 127.0.0.1 that is free now, and that the kernel gives to nobody by itself.

    It is chosen below the range of outgoing connections: one of those could otherwise sit on the
    port while its server is down for a test.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def guard(directory: Path, owner: int) -> None:
    """Wait for the end of the process ``owner``, then end the server in ``directory``."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(owner).wait()
    # The owner who ended in good order has removed it himself.
    if directory.exists():
        PostgresCluster(directory).remove()


if __name__ == "__main__":
    guard(Path(sys.argv[1]), int(sys.argv[2]))
