"""What can go wrong with a mask store, said in one line that names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfaseg.errors import ClassMapError, OutputError
from dfaseg.files import explain


@contextmanager
def mapped_errors(path: Path) -> Iterator[None]:
    """Turn what the file system and a damaged store raise into an ``OutputError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise OutputError(
            f"mask '{path}': there is no dfaseg mask here, or it is damaged; give the"
            " .zarr folder that predict wrote, or predict again"
        ) from error
    except OSError as error:
        raise OutputError(f"mask '{path}': cannot be read or written ({explain(error)})") from error
    except (KeyError, IndexError, TypeError, ValueError, ClassMapError) as error:
        raise OutputError(f"mask '{path}': not a dfaseg mask, or damaged ({error})") from error
