"""Whether a TIFF is one picture, at whatever resolutions, or several."""

from contextlib import suppress
from pathlib import Path

from tifffile import TiffFile, TiffFileError, TiffFrame, TiffPage

from dfaseg.errors import EvaluationError

_ERRORS = (TiffFileError, ValueError, IndexError, KeyError, TypeError, RuntimeError)
"""What tifffile raises where descriptions of planes are damaged; pages can still be counted."""


def check_is_one_plane(path: Path, tiff: TiffFile) -> None:
    """Refuse several pictures in one file: nobody knows which of them is meant.

    The lower levels of a pyramid are the same picture.

    Args:
        path: For the message.
        tiff: The opened file.

    Raises:
        EvaluationError: There are several pages of their own, or slices of a volume.
    """
    first = tiff.pages.first
    others = [page for page in tiff.pages[1:] if not _is_part_of(page, first)]
    number = max(1 + len(others), _num_slices(tiff))
    if number > 1:
        raise EvaluationError(
            f"mask '{path}': holds {number} pages or slices, and it is not known which of them is"
            " the mask; save that one alone"
        )


def _is_part_of(page: TiffPage | TiffFrame, first: TiffPage) -> bool:
    """Tell whether a page is a lower level or the transparency of the first one."""
    if isinstance(page, TiffFrame):  # by its definition a page like another one
        return False
    if page.is_reduced or page.is_mask:
        return True
    # Some writers do not mark levels; theirs have the shape of the first, to a pixel or so.
    height = first.imagelength * page.imagewidth / first.imagewidth
    return page.imagewidth < first.imagewidth and abs(page.imagelength - height) <= 1


def _num_slices(tiff: TiffFile) -> int:
    """Return how many planes the first picture has, where a description says so."""
    page = tiff.pages.first
    with suppress(*_ERRORS):
        return int(
            tiff.series[0].size // (page.imagewidth * page.imagelength * page.samplesperpixel)
        )
    return 1
