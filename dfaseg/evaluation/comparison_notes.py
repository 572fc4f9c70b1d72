"""What a reader of a comparison must know."""

from collections.abc import Sequence

from dfaseg.evaluation.compare import Comparison
from dfaseg.evaluation.differences import LEVEL, can_find, smallest_rank_p
from dfaseg.evaluation.methods import Method
from dfaseg.evaluation.paired import NUM_DRAWS
from dfaseg.evaluation.summary import few_cases_notes
from dfaseg.evaluation.wording import named
from dfaseg.wording import counted

ENOUGH_SEEDS = 3
"""With fewer, runs rather than methods are compared."""
_MANY_SEEDS = 10
"""With fewer, resampled seeds vary visibly less than new ones would."""
EXPLANATIONS = (
    "Runs with the same settings but the seed are one method. “±” is the standard deviation over"
    " its seeds.",
    "A case is what images belong together by: the patient on GlaS and BCSS, the case of the"
    " biopsy on EBHI-Seg, else the slide or the image. Images of one case are pooled, are drawn"
    " together and make one pair of a paired test.",
    f"Intervals: cases and seeds were drawn again {NUM_DRAWS} times; of two methods the same cases"
    " and, where they have the same seeds, the same seeds.",
    "A difference counts as beyond chance if two tests say so after Holm's correction for their"
    f" number (p < {LEVEL}): the paired bootstrap and Wilcoxon's signed-rank test over cases. The"
    " second takes the networks as they are: it does not know that other seeds would give others."
    " A large p does not show that two methods are equal.",
    "Against a reference, p-values are corrected for these comparisons only. That is right if the"
    " reference was chosen before anybody looked at the scores.",
    "Effect size: rank-biserial correlation over the cases; 1 where the first method is ahead in"
    " every case, 0 where neither is.",
)
"""How any comparison is to be read."""


def cautions(
    methods: Sequence[Method], tests: Comparison, num_cases: int, reference: str | None
) -> tuple[str, ...]:
    """Return what limits these very results.

    Args:
        methods: What was compared.
        tests: How they differ.
        num_cases: Cases they were scored on.
        reference: Name of the method that all others are held against, if any.
    """
    said = [tests.note] if tests.note else []
    first = methods[0].runs[0].result
    said += [
        f"{first.class_map[index].name} is not scored and left out of all means."
        for index in first.unscored
    ]
    fewest = min(len(method.runs) for method in methods)
    if fewest < ENOUGH_SEEDS:
        said.append(
            f"Some methods have less than {ENOUGH_SEEDS} seeds: tests then speak of these runs, and"
            " whether other seeds would agree is hardly known."
        )
    elif fewest < _MANY_SEEDS:
        said.append(
            "Seeds that are drawn again from a few vary less than new ones would: by a fifth with"
            " three. Look at the differences seed by seed, too."
        )
    if len({method.seeds for method in methods}) > 1:
        said.append(
            "Methods were not all trained with the same seeds: a difference between methods may be"
            " one between seeds. Compare runs of the same seeds, or look at the differences seed by"
            " seed."
        )
    limits = _limits_of_tests(len(methods), len(tests.tests), num_cases, reference)
    return (*said, *few_cases_notes(num_cases), *limits)


def _limits_of_tests(
    num_methods: int, num_pairs: int, num_cases: int, reference: str | None
) -> list[str]:
    """Say where no result of the tests could have been below the level."""
    said, num_others = [], num_methods - 1
    if num_pairs and not can_find(num_cases, num_pairs):
        said.append(
            f"With {counted(num_cases, 'case')} the signed-rank test gives no p-value below"
            f" {smallest_rank_p(num_cases):.2g}. Corrected for {counted(num_pairs, 'pair')} none"
            f" can be below {LEVEL}: that no pair counts as beyond chance shows nothing here."
        )
        if reference is None and num_methods > 2 and can_find(num_cases, num_others):
            said.append(
                "With --reference METHOD, chosen before looking at the scores, there are only"
                f" {num_others} tests, which could find something."
            )
    if reference is not None and num_pairs and not can_find(num_cases, num_others):
        said.append(f"There are too few cases to find a difference from {named(reference)}, too.")
    return said
