"""PostgreSQL for tests: a server of one's own on a free loopback port, a database for each journal.

The server is Debian's package, run as an unprivileged user from a temporary folder; it is started by whoever needs it
first and shared by all test processes of one start of pytest. It does without what only protects against power cuts.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock

from tests.helpers.ports import free_port

FOLDER_VARIABLE = "ALLEGRO_BATCH_TEST_POSTGRES"
PASSWORD = "database-SECRET-never-to-be-told"
CHEAP = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "16MB",
    "max_connections": "150",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
}


def programs() -> Path | None:
    """The folder of the newest server programs; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("postgres")
    return found[-1] if found else Path(on_path).parent if on_path else None


def why_not() -> str | None:
    """Why PostgreSQL cannot be had here."""
    try:
        import psycopg  # noqa: F401, PLC0415
    except ImportError:
        return "psycopg is not installed (pip install -e '.[team]')"
    return None if programs() else "PostgreSQL's server is not installed (Debian: apt-get install postgresql)"


class Server:
    """A server in `folder`; for `with`, or until `stop_shared`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0

    def start(self) -> None:
        """Make the cluster where there is none, and wait until it answers."""
        bin_ = programs()
        assert bin_
        user = _unprivileged()
        data = self.folder / "data"
        if not data.exists():
            password = self.folder / "password"
            password.write_text(PASSWORD)
            if user:
                for path in (self.folder, password):
                    shutil.chown(path, *user)
            setup = [bin_ / "initdb", "-D", data, "-U", "batch", "-E", "UTF8", "--locale=C", "--no-sync"]
            _run([*setup, "-A", "scram-sha-256", f"--pwfile={password}"], user)
            password.unlink()
        self.port = self.port or free_port()
        options = [part for name, value in CHEAP.items() for part in ("-c", f"{name}={value}")]
        command = [bin_ / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", self.folder / "log", "start"]
        _run([*command, "-o", f"-p {self.port} -k {self.folder} {' '.join(options)}"], user)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it at once; everybody's connections break."""
        bin_ = programs()
        assert bin_
        _run([bin_ / "pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop"], _unprivileged())

    def url(self, database: str) -> str:
        """The address of a database, with the password."""
        return f"postgresql+psycopg://batch:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str) -> list[Any]:
        """Carry out statements as the owner of everything; the rows of the last one."""
        rows: list[Any] = []
        engine = sa.create_engine(self.url("postgres"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
                rows = list(result.all()) if result.returns_rows else []
        return rows

    def make(self, database: str, *, template: str = "template0") -> str:
        """A database made anew, empty or a copy; whoever is connected to it is thrown out. Its address."""
        drop = f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'
        out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'"
        self.execute(drop, out, f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def cut_off(self, database: str) -> None:
        """From now on nobody gets at a database; every connection to it breaks."""
        out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        self.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false', out)

    def let_in(self, database: str) -> None:
        """It can be used again."""
        self.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')


@functools.cache
def shared_server() -> Server:
    """The server that all processes of this start of the tests use."""
    folder = shared_folder()
    with FileLock(f"{folder}.lock"):
        server = Server(folder)
        port = folder / "port"
        if port.exists():
            server.port = int(port.read_text())
        else:
            server.start()
            port.write_text(str(server.port))
        return server


def shared_folder() -> Path:
    """Its folder; not below pytest's own, which another user may not enter."""
    if FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="batch-postgres-")  # known to processes started later
    return Path(os.environ[FOLDER_VARIABLE])


def stop_shared() -> None:
    """Stop the shared server, if anybody has started it, and remove what it leaves behind."""
    folder = Path(os.environ.pop(FOLDER_VARIABLE, ""))
    if folder.name and (folder / "port").exists():
        Server(folder).stop()
    if folder.name:
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)


@contextmanager
def sharing() -> Iterator[None]:
    """A program's own start of the shared server, if it needs one."""
    try:
        yield
    finally:
        stop_shared()


def name_for(place: object) -> str:
    """The name of the database that belongs to a folder or a test."""
    return f"t_{hashlib.sha256(str(place).encode()).hexdigest()[:24]}"


def _unprivileged() -> tuple[str, str] | None:
    """User and group for the server: root must not run it."""
    if os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415  (not on Windows)

    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in ("postgres", "nobody") if name in names)
    import grp  # noqa: PLC0415

    return user, grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _run(command: list[Any], user: tuple[str, str] | None) -> None:
    who: dict[str, Any] = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
    done = subprocess.run(
        [str(part) for part in command], check=False, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **who
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
