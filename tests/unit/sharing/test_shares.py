"""Which share of the slides a job does."""

import pytest

from dfaseg.errors import ConfigError
from dfaseg.sharing.shares import Share, deal_out, parse_share, share_of_job


def test_share_is_counted_from_one() -> None:
    """As people and test runners count parts."""
    assert parse_share("1/4") == Share(0, 4)
    assert str(parse_share("4/4")) == "4/4"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "-1/4", "1/2/3", ""])
def test_impossible_share_is_refused(text: str) -> None:
    """In words that say how shares are counted."""
    with pytest.raises(ConfigError, match=r"parts go from 1/N to N/N|not of the form I/N"):
        parse_share(text)


@pytest.mark.parametrize(
    ("variables", "share"),
    [
        ({}, None),
        ({"SLURM_ARRAY_TASK_ID": "3"}, None),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "4"}, (0, 4)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "4",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "1",
            },
            (3, 4),
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "20",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "5",
            },
            (2, 3),
        ),
        ({"RANK": "1", "WORLD_SIZE": "2"}, (1, 2)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "2",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "RANK": "1",
                "WORLD_SIZE": "2",
            },
            (5, 6),
        ),
    ],
)
def test_share_of_a_scheduler(variables: dict[str, str], share: tuple[int, int] | None) -> None:
    """Arrays may begin anywhere and count in steps; processes divide a task's share further."""
    found = share_of_job(variables)

    assert (None if found is None else (found.index, found.count)) == share


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3"}, "not evenly spaced"),
        (
            {
                "SLURM_ARRAY_TASK_ID": "3",
                "SLURM_ARRAY_TASK_COUNT": "2",
                "SLURM_ARRAY_TASK_MIN": "0",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            "not evenly spaced",
        ),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK 'one': not a number"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "part 3 of 2 does not exist"),
    ],
)
def test_impossible_variables_are_refused(variables: dict[str, str], message: str) -> None:
    """Rather than that slides are left out."""
    with pytest.raises(ConfigError, match=message):
        share_of_job(variables)


def test_large_slides_are_spread_first() -> None:
    """One giant counts as much as many small ones."""
    areas = {"giant": 100, **{f"s{i}": 10 for i in range(10)}}

    assert deal_out(areas, 2) == [["giant"], [f"s{i}" for i in range(10)]]


def test_more_shares_than_slides_take_no_memory() -> None:
    """A slip of the finger in --shard must not fill the machine."""
    assert deal_out({"a": 5, "b": 7, "c": 0}, 10**26) == [["b"], ["a"], ["c"]]


def test_slides_of_unknown_area_are_spread_by_number() -> None:
    """Broken ones do not all go to the emptiest share."""
    assert [len(share) for share in deal_out(dict.fromkeys("abcdef", 0), 3)] == [2, 2, 2]
