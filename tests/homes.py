"""The tests' own home: nothing that a test runs reads or writes the developer's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

REAL = "HOME_BEFORE_THE_TESTS"
"""The variable that tells worker processes of pytest where the developer's home is."""

# Where a shell, a tool of ours or a library we use would look for, or leave, something of the user's.
_DIRECTORIES = {
    "HOME": "",
    "USERPROFILE": "",
    "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local",
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "IPYTHONDIR": ".ipython",
    "JUPYTER_CONFIG_DIR": ".jupyter",
    "MPLCONFIGDIR": ".config/matplotlib",
}
_OTHERS = ("ZDOTDIR", "ZSH", "ZSH_CUSTOM", "BASH_ENV", "ENV", "XDG_CONFIG_DIRS", "XDG_DATA_DIRS")
_SHELL_FILES = (
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".config/fish/config.fish",
    ".config/powershell/profile.ps1",
)
_DEEP = 4  # directories below the home in which files of our name are looked for
_MOST = 20_000  # entries that are looked at: a home may hold anything


def move() -> Path:
    """Return the developer's home, after this process and all that it starts have got another one."""
    if REAL not in os.environ:
        os.environ[REAL] = str(Path.home())
        home = tempfile.mkdtemp(prefix="home-of-tests-")
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        for name, place in _DIRECTORIES.items():
            directory = Path(home, place)
            directory.mkdir(parents=True, exist_ok=True)
            os.environ[name] = str(directory)
        for name in _OTHERS:
            os.environ.pop(name, None)
    return Path(os.environ[REAL])


def snapshot(home: Path) -> Mapping[str, str]:
    """Return what a tool of ours could have left in a home: the shells' files by what is in them, and ours by name."""
    shells = {name: sha256((home / name).read_bytes()).hexdigest() for name in _SHELL_FILES if (home / name).is_file()}
    return {**shells, **{str(path.relative_to(home)): "there" for path in _ours(home)}}


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the names of what differs."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _ours(home: Path) -> Iterator[Path]:
    looked_at = 0
    left = [(home, 0)]
    while left and looked_at < _MOST:
        directory, depth = left.pop(0)
        try:
            entries = [*os.scandir(directory)]
        except OSError:
            continue
        looked_at += len(entries)
        for entry in entries:
            is_hidden = depth > 0 or entry.name.startswith(".")  # projects of the developer's lie in plain sight
            if is_hidden and "fi-async" in entry.name.replace("_", "-"):
                yield Path(entry.path)
            elif is_hidden and depth < _DEEP and entry.is_dir(follow_symlinks=False):
                left.append((Path(entry.path), depth + 1))
