"""Laws of dividing slides among jobs."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dfaseg.sharing.shares import deal_out

areas = st.dictionaries(st.text("abcxyz01", min_size=1, max_size=4), st.integers(0, 10**10))
counts = st.integers(1, 20)


@given(areas, counts)
def test_shares_are_disjoint_and_complete(areas: dict[str, int], count: int) -> None:
    """Each slide is in exactly one share, for any number of shares."""
    shares = deal_out(areas, count)

    assert len(shares) == min(count, len(areas))
    assert sorted(name for share in shares for name in share) == sorted(areas)


@given(areas, counts, st.randoms(use_true_random=False))
def test_shares_do_not_depend_on_the_order_of_the_list(
    areas: dict[str, int], count: int, random: Random
) -> None:
    """Jobs may list a folder in any order."""
    names = list(areas)
    random.shuffle(names)

    assert deal_out({name: areas[name] for name in names}, count) == deal_out(areas, count)


@given(areas, counts)
def test_shares_are_balanced(areas: dict[str, int], count: int) -> None:
    """No share exceeds another by more than its own last, smallest slide."""
    shares = deal_out(areas, count)
    loads = [sum(areas[name] for name in share) for share in shares]

    for share, load in zip(shares, loads, strict=True):
        if share:
            assert load - areas[share[-1]] <= min(loads)
