"""Files that only one of many processes makes, whichever machines they run on."""

import errno
import os
import secrets
from pathlib import Path

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def create_whole(path: Path, content: bytes) -> bool:
    """Make a file with its content at once, unless it exists.

    Args:
        path: The file; its folder must exist.
        content: What it shall hold; differs from what others would write, unless it does not
            matter who wins.

    Returns:
        Whether the file holds this content; False where another process was first.

    Raises:
        OSError: Nothing can be written there.
    """
    aside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        aside.write_bytes(content)
        os.link(aside, path)
    except FileExistsError:
        # The answer of a network disk may be lost: what fails the second time was done the first.
        return path.read_bytes() == content
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create_without_links(path, content)
    finally:
        aside.unlink(missing_ok=True)
    return True


def _create_without_links(path: Path, content: bytes) -> bool:
    """Do the same where a reader may find the file empty for a moment."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(handle, content)
    finally:
        os.close(handle)
    return True
