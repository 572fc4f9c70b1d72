"""Which cases are trained on, which choose the best epoch, and which are kept for the end."""

from collections.abc import Sequence

from dfaseg.datasets.holdout import hold_out

MIN_CASES = 3
"""One for each split."""


def split_cases(
    images: Sequence[tuple[str, str]], *, val_share: float, test_share: float, seed: int
) -> dict[str, str]:
    """Put whole cases into train, val and test; the same everywhere for the same seed.

    Args:
        images: Case and group (e.g. the most frequent class) of each image; every group is parted
            about as the shares say.
        val_share: Part of the images for validation.
        test_share: Part of the images for the test.
        seed: Another number gives another choice.

    Returns:
        Split of each case; empty where there are fewer cases than splits.
    """
    cases = {case for case, _ in images}
    if len(cases) < MIN_CASES:
        return {}
    salted = [(f"{seed}/{case}" if seed else case, group) for case, group in images]
    test = hold_out(salted, test_share)
    rest = [(case, group) for case, group in salted if case not in test]
    val = hold_out(rest, val_share / (1 - test_share))
    named = {(f"{seed}/{case}" if seed else case): case for case in cases}
    return {
        case: "test" if salty in test else "val" if salty in val else "train"
        for salty, case in named.items()
    }
