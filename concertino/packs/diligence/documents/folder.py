"""Reading a folder's files. Nothing outside of it can be reached: no symbolic link is followed, only plain files are opened.

Files are opened relative to the open folder they were listed in, so a folder that is replaced by a link meanwhile leads nowhere.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from concertino.contracts.errors import InputError
from concertino.packs.diligence.documents.bounds import DocumentLimits

FIELD = "payload.documents"

KINDS = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".pdf": "pdf",
}  # fmt: skip
"""What is read, by the end of the name."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file of the folder that could not be made use of."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file as it lies there."""

    name: str
    """Path within the folder, with `/`."""
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder's files, by name."""

    files: tuple[RawFile, ...]
    unreadable: tuple[Unreadable, ...]


def read_folder(path: str, limits: DocumentLimits) -> Folder:
    """Read all documents of a folder. Hidden files (`.name`) are passed over.

    Raises:
        InputError: no folder, or over the limits on counts and total size.
    """
    root = _root(path)
    files: list[RawFile] = []
    bad: list[Unreadable] = []
    entries = total = 0

    def unlisted(error: OSError) -> None:
        bad.append(
            Unreadable(_shown(os.path.relpath(error.filename or root, root)), f"cannot be listed: {error.strerror}")
        )

    for place, folders, names, handle in os.fwalk(root, follow_symlinks=False, onerror=unlisted):
        inside = PurePosixPath(os.path.relpath(place, root))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in list(folders):
            reason = _not_entered(name, handle, depth=len(inside.parts) + 1, limits=limits)
            if reason is not None:
                folders.remove(name)
                bad.append(Unreadable(_shown(str(inside / name)), reason))
        for name in sorted(name for name in names if not name.startswith(".")):
            entries += 1
            if entries > limits.entries:
                raise InputError(
                    field=FIELD, value=path, rule=f"at most {limits.entries} files of any kind in the folder"
                )
            taken = _taken(str(inside / name), name, handle, limits)
            if isinstance(taken, Unreadable):
                bad.append(taken)
                continue
            files.append(taken)
            total += len(taken.data)
            if len(files) > limits.files:
                raise InputError(field=FIELD, value=path, rule=f"at most {limits.files} documents in the folder")
            if total > limits.total_bytes:
                raise InputError(
                    field=FIELD, value=path, rule=f"at most {limits.total_bytes} bytes of documents together"
                )
    return Folder(tuple(sorted(files, key=lambda file: file.name)), tuple(sorted(bad, key=lambda one: one.name)))


def _root(path: str) -> str:
    if "\0" in path or not path.strip():
        raise InputError(field=FIELD, value=path, rule="must be the path of a folder")
    try:
        root = Path(path).resolve(strict=True)
        if not root.is_dir():
            raise InputError(field=FIELD, value=path, rule="must be a folder")
        os.scandir(root).close()
    except OSError as error:
        raise InputError(
            field=FIELD, value=path, rule=f"must be a folder that can be read: {error.strerror}"
        ) from error
    return str(root)


def _not_entered(name: str, handle: int, *, depth: int, limits: DocumentLimits) -> str | None:
    """Return why a folder within the folder is not looked into; `None` where it is."""
    try:
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISLNK(mode):
        return "a symbolic link; links are not followed"
    return f"more than {limits.depth} folders deep" if depth > limits.depth else None


def _taken(path: str, name: str, handle: int, limits: DocumentLimits) -> RawFile | Unreadable:
    shown = _shown(path)
    kind = KINDS.get(PurePosixPath(name).suffix.lower())
    if not path.isprintable() or shown != path:
        return Unreadable(shown, "its name has characters that cannot be shown")
    try:
        # Neither a link nor a pipe is waited for; what was opened is looked at again, whatever the name now leads to.
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
    except OSError as error:
        link = _is_link(name, handle)
        return Unreadable(
            shown, "a symbolic link; links are not followed" if link else f"cannot be read: {error.strerror}"
        )
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            return Unreadable(shown, "not a plain file")
        if kind is None:
            return Unreadable(shown, f"not a kind that is read ({', '.join(KINDS)})")
        if found.st_size > limits.file_bytes:
            return Unreadable(shown, f"{found.st_size} bytes; at most {limits.file_bytes} are read of one document")
        try:
            data = file.read(limits.file_bytes + 1)
        except OSError as error:
            return Unreadable(shown, f"cannot be read: {error.strerror}")
    if len(data) > limits.file_bytes:
        return Unreadable(shown, f"it grew while it was read; at most {limits.file_bytes} bytes")
    return RawFile(path, kind, data)


def _is_link(name: str, handle: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _shown(path: str) -> str:
    plain = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in plain)
