"""Which resolution of a slide to believe."""

from collections.abc import Sequence
from dataclasses import dataclass

from dfaseg.errors import ConfigError, MissingResolutionError
from dfaseg.geometry import MAX_PLAUSIBLE_MPP, MIN_PLAUSIBLE_MPP, is_plausible_mpp

_PLAUSIBLE = f"plausible: {MIN_PLAUSIBLE_MPP:g}-{MAX_PLAUSIBLE_MPP:g}"
_MAX_QUIET_ANISOTROPY = 0.01
"""Relative difference of x and y up to which pixels count as square."""
_MAX_ANISOTROPY = 0.10
"""Relative difference of x and y above which one number cannot stand for both."""
_UM_PX_AT_1X = 10.0
"""µm per pixel times objective power, for the cameras that scanners use."""
_MAX_OBJECTIVE_POWER = 150.0


@dataclass(frozen=True, slots=True)
class StatedResolution:
    """What a file says of its finest level, believable or not.

    Attributes:
        mpp_x: µm per pixel, horizontally.
        mpp_y: The same, vertically.
        source: Where it stands, e.g. ``metadata``, ``tiff tags``.
    """

    mpp_x: float
    mpp_y: float
    source: str

    @property
    def mpp(self) -> float:
        """Mean of both axes."""
        return (self.mpp_x + self.mpp_y) / 2

    @property
    def anisotropy(self) -> float:
        """Relative difference of the axes."""
        return abs(self.mpp_x - self.mpp_y) / self.mpp

    @property
    def is_plausible(self) -> bool:
        """Whether a slide can have this resolution."""
        return is_plausible_mpp(self.mpp_x) and is_plausible_mpp(self.mpp_y)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The resolution to use: µm per level-0 pixel, its source, and what to warn of."""

    mpp: float
    source: str
    warnings: tuple[str, ...] = ()


def choose_resolution(
    slide_name: str,
    stated: Sequence[StatedResolution],
    objective_power: float | None,
    wanted_mpp: float | None,
) -> Resolution:
    """Pick the resolution: what the user says, else the first believable statement of the file.

    Args:
        slide_name: Name in messages.
        stated: The file's statements, most trustworthy first.
        objective_power: Magnification of the objective; the last resort.
        wanted_mpp: The user's own value (µm per level-0 px), which wins over everything.

    Raises:
        ConfigError: The user's value is implausible.
        MissingResolutionError: Nothing believable is stated and nothing was given.
    """
    if wanted_mpp is not None:
        return _resolution_by_hand(wanted_mpp)
    doubted: list[StatedResolution] = []
    for statement in stated:
        if statement.is_plausible:
            return _resolution_from(slide_name, statement, doubted)
        doubted.append(statement)
    if objective_power is not None and 1 <= objective_power <= _MAX_OBJECTIVE_POWER:
        return _resolution_from_objective(objective_power, doubted)
    if doubted:
        raise MissingResolutionError(
            slide_name,
            f"states {doubted[0].mpp:.4g} µm/px ({doubted[0].source}), which no slide has "
            f"({_PLAUSIBLE}); pass --mpp (µm per pixel), e.g. --mpp 0.25",
        )
    raise MissingResolutionError(
        slide_name,
        "no resolution in its metadata; pass --mpp (µm per pixel), e.g. --mpp 0.25",
    )


def _resolution_by_hand(mpp: float) -> Resolution:
    if not is_plausible_mpp(mpp):
        raise ConfigError(
            f"--mpp {mpp:g}: no slide has this resolution ({_PLAUSIBLE} µm per pixel); "
            "pass the µm per pixel of the finest level, e.g. --mpp 0.25"
        )
    return Resolution(mpp, "--mpp")


def _resolution_from(
    slide_name: str, statement: StatedResolution, doubted: Sequence[StatedResolution]
) -> Resolution:
    axes = f"{statement.mpp_x:.4g} µm/px across and {statement.mpp_y:.4g} µm/px down"
    if statement.anisotropy > _MAX_ANISOTROPY:
        raise MissingResolutionError(
            slide_name,
            f"states {axes} ({statement.source}), but pixels must be square; "
            "pass --mpp (µm per pixel) to treat them as such, e.g. --mpp 0.25",
        )
    warnings = _doubts(doubted)
    if statement.anisotropy > _MAX_QUIET_ANISOTROPY:
        warnings += (f"pixels are not square ({axes}); their mean {statement.mpp:.4g} is used",)
    return Resolution(statement.mpp, statement.source, warnings)


def _resolution_from_objective(power: float, doubted: Sequence[StatedResolution]) -> Resolution:
    mpp = _UM_PX_AT_1X / power
    warning = (
        f"no resolution in its metadata; {mpp:.4g} µm/px is assumed from its {power:g}× objective; "
        "pass --mpp to state it exactly"
    )
    return Resolution(mpp, "objective power", (*_doubts(doubted), warning))


def _doubts(doubted: Sequence[StatedResolution]) -> tuple[str, ...]:
    return tuple(
        f"states {statement.mpp:.4g} µm/px ({statement.source}), which no slide has; ignored"
        for statement in doubted
    )
