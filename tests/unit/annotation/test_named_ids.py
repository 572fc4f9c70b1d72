"""Ids of features: those that Python makes of the same names."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from dfaseg.annotation.named_ids import ID_LENGTH, ID_NAMESPACE, NameDigests, format_ids


@given(beginning=st.text(max_size=9), names=st.lists(st.text(max_size=20), max_size=5))
def test_ids_are_uuids_of_the_whole_names(beginning: str, names: list[str]) -> None:
    """Any number of them, none included."""
    ids = format_ids(NameDigests(beginning)(name.encode() for name in names))

    assert ids.shape == (len(names), ID_LENGTH)
    expected = [str(uuid.uuid5(ID_NAMESPACE, beginning + name)) for name in names]
    assert [bytes(one).decode() for one in ids] == expected
