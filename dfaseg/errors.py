"""Every failure dfaseg expects, so that callers can catch one root class.

    DfasegError
    ├── SlideError                  a slide cannot be used
    │   ├── UnsupportedSlideError   no reader understands the file
    │   ├── MissingResolutionError  no believable µm per pixel
    │   └── ReadError               pixels could not be decoded
    ├── ConfigError                 a setting is impossible (also a ValueError)
    ├── ClassMapError               a class table is inconsistent
    ├── AnnotationError             polygons cannot be read or written
    ├── CheckpointError             a model file or training state cannot be used
    ├── DatasetError                a training set is missing, incomplete or inconsistent
    ├── EvaluationError         a prediction and its truth cannot be compared
    ├── TrainingError               learning cannot go on, e.g. the loss is not a number
    ├── OutputError                 a result cannot be written
    │   ├── OutputExistsError       the result is already there (also a FileExistsError)
    │   └── ClaimLostError          another process has taken the slide over
    └── StoppedError                a person or the scheduler asked to stop; run again to go on

A message says which thing, what is wrong, and what to do, in one line::

    slide 'a.svs': no resolution in its metadata; pass --mpp (µm per pixel), e.g. --mpp 0.25
"""


class DfasegError(Exception):
    """Root of all expected failures; its text is fit to show to a user.

    Attributes:
        is_said: Whether another process of the same run has told the user.
    """

    is_said = False


class SlideError(DfasegError):
    """A slide cannot be used; the message names the slide."""

    def __init__(self, slide_id: str, problem: str) -> None:
        super().__init__(f"slide '{slide_id}': {problem}")
        self.slide_id = slide_id
        self.problem = problem

    def __reduce__(self) -> tuple[type["SlideError"], tuple[str, str]]:
        """Keep both arguments when the error crosses a process border."""
        return type(self), (self.slide_id, self.problem)


class UnsupportedSlideError(SlideError):
    """No reader understands the file."""


class MissingResolutionError(SlideError):
    """The slide states no believable resolution and none was given."""


class ReadError(SlideError):
    """Pixels of an opened slide could not be decoded."""


class ConfigError(DfasegError, ValueError):
    """A setting is impossible or contradicts another."""


class ClassMapError(DfasegError):
    """A class table is inconsistent."""


class AnnotationError(DfasegError):
    """Polygons cannot be read or written."""


class CheckpointError(DfasegError):
    """A model file or a training state cannot be used."""


class DatasetError(DfasegError):
    """A training set is missing, incomplete or inconsistent."""


class EvaluationError(DfasegError):
    """A prediction and its truth, or two runs, cannot be compared."""


class TrainingError(DfasegError):
    """Learning cannot go on; what was kept before stays."""


class OutputError(DfasegError):
    """A result cannot be written."""


class OutputExistsError(OutputError, FileExistsError):
    """The result is already there and may not be replaced."""


class ClaimLostError(OutputError):
    """Another process has taken the slide over; nothing of it may be written here any more."""


class StoppedError(DfasegError):
    """The run was asked to stop; what is finished is kept and a new run goes on from there."""
