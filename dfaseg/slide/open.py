"""Open a slide from wherever it is, with the reader that suits it."""

from pathlib import Path

from dfaseg.errors import SlideError, UnsupportedSlideError
from dfaseg.slide.bytesource import FileSource
from dfaseg.slide.identity import Identity, identify
from dfaseg.slide.openslide import open_with_openslide
from dfaseg.slide.picture import open_picture
from dfaseg.slide.slide import Slide
from dfaseg.slide.tiff import TiffSlide, open_tiff


def open_slide(
    location: str | Path, *, mpp: float | None = None, slide_id: str | None = None
) -> Slide:
    """Open a whole-slide image or a plain picture.

    Tiled TIFF and SVS are decoded natively; what the native reader refuses goes to OpenSlide, and
    what OpenSlide refuses is tried as a plain picture. URLs are read piece by piece.

    Args:
        location: Path or URL (``https://``, ``s3://``, ...).
        mpp: µm per level-0 pixel; wins over what the file states.
        slide_id: The slide's name in results; its file's name if not given.

    Returns:
        The open slide; the caller closes it.

    Raises:
        SlideError: The file is missing, may not be read or is a folder.
        UnsupportedSlideError: No reader understands the file.
        MissingResolutionError: The file states no believable resolution and ``mpp`` is not given.
        ConfigError: ``mpp`` is not a resolution that a slide can have.
    """
    identity = identify(location, slide_id=slide_id)
    if identity.is_remote:
        # Late, because the network libraries take as long to load as all else together.
        from dfaseg.slide.remote import open_remote  # noqa: PLC0415

        return open_remote(identity, mpp)
    try:
        return _open_local(identity, mpp)
    except FileNotFoundError as error:
        raise SlideError(
            identity.name, f"no such file '{identity.path}'; check the path"
        ) from error
    except IsADirectoryError as error:
        raise SlideError(identity.name, "is a folder; pass the slide file inside it") from error
    except OSError as error:
        raise SlideError(identity.name, f"cannot be read ({error.strerror or error})") from error


def _open_local(identity: Identity, mpp: float | None) -> Slide:
    """Try the readers in turn.

    Raises:
        OSError: The file cannot be read.
        UnsupportedSlideError: Each reader refused; the message says why.
    """
    problems = []
    for name, reader in (
        ("native", _open_native),
        ("OpenSlide", open_with_openslide),
        ("picture", open_picture),
    ):
        try:
            return reader(identity.path, identity, mpp)
        except UnsupportedSlideError as error:
            problems.append(f"{name}: {error.problem}")
    raise UnsupportedSlideError(
        identity.name,
        f"no reader understands it ({'; '.join(problems)}); get it again if it is damaged, "
        "or convert it to a tiled 8-bit RGB TIFF",
    )


def _open_native(path: Path, identity: Identity, mpp: float | None) -> TiffSlide:
    source = FileSource(path)
    try:
        return open_tiff(source, identity, mpp)
    except BaseException:
        source.close()
        raise
