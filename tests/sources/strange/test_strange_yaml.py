"""Words that YAML does not take for words."""

from pathlib import Path

import pytest
from strange_tables import MAPPING as SHOP
from strange_tables import WITH_ITEMS, catalogue, opened, read, write

from sources.protocol import SourceError

MAPPING = """\
interactions:
  path: events.csv
  user: user
  item: item
  time: at
  type: stars
  types:
    KEY: 1.0
"""


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("on", "a truth"),
        ("no", "a truth"),
        ("1", "a number"),
        ("1.5", "a number"),
        ("null", "nothing"),
        ("2021-03-01", "a date"),
    ],
)
def test_a_key_that_is_no_text_is_to_be_quoted(tmp_path: Path, key: str, kind: str) -> None:
    with pytest.raises(SourceError, match=r"mapping\.yaml, line 8: ") as caught:
        opened(write(tmp_path, MAPPING.replace("KEY", key)))
    assert f"{key} is read as {kind}" in str(caught.value)
    assert f"quote it: '{key}'" in str(caught.value)
    assert "[key]" not in str(caught.value)
    opened(write(tmp_path, MAPPING.replace("KEY", f"'{key}'")))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("user: user", "user: on", 3),
        ("item: item", "item: 7", 4),
        ("time: at", "time: 2021-03-01", 5),
        ("type: stars", "type: stars\n  columns: [user, 2]", 7),
        ("type: stars", "type: stars\n  repeats: no", 7),
    ],
)
def test_a_value_that_is_no_text_is_to_be_quoted(
    tmp_path: Path, old: str, new: str, line: int
) -> None:
    mapping = MAPPING.replace("KEY", "a").replace(old, new)
    with pytest.raises(SourceError, match=rf"mapping\.yaml, line {line}: .*quote it"):
        opened(write(tmp_path, mapping))


def test_blanks_that_yaml_takes_for_nothing_are_to_be_quoted(tmp_path: Path) -> None:
    mapping = MAPPING.replace("KEY", "a") + "blanks: [null, NA]\n"
    with pytest.raises(SourceError, match=r"line 9: blanks\.0: null is read as nothing"):
        opened(write(tmp_path, mapping))


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("item: item", "item: item\n  user: item", 5, "user"),
        ("    KEY: 1.0", "    like: 1.0\n    like: 2.0", 9, "like"),
        ("interactions:", "root: .\nroot: other\ninteractions:", 2, "root"),
    ],
)
def test_a_key_that_is_given_twice_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, key: str
) -> None:
    said = rf"mapping\.yaml, line {line}: {key} is given twice"
    with pytest.raises(SourceError, match=said):
        opened(write(tmp_path, MAPPING.replace(old, new)))


@pytest.mark.parametrize(
    ("written", "meant", "said"),
    [
        ("value: stars", "vlaue: stars", "there is no such key here; perhaps value is meant"),
        ("value: stars", "horse: x", "there is no such key here; there are path, separator"),
        ("value: stars", "columns: user", "columns: a list is needed here, such as"),
        ("value: stars", "types: like", "types: keys with their values are needed here"),
        ("value: stars", "value_range: [1, 5]", "value_range needs value, the column"),
        ("value: stars", "skip_lines: some", "skip_lines: a whole number is needed here"),
        ("value: stars", "skip_lines: 1.5", "skip_lines: a whole number is needed here"),
        ("value: stars", "skip_lines: -1", "skip_lines: a number that is not negative"),
        ("value: stars", "value: stars, value_range: [1]", "the list is too short"),
    ],
)
def test_a_mistake_is_explained_in_plain_words(
    tmp_path: Path, written: str, meant: str, said: str
) -> None:
    with pytest.raises(SourceError, match=r"mapping\.yaml, line 2: interactions") as caught:
        read(write(tmp_path, SHOP.replace(written, meant)))
    assert said in str(caught.value)
    assert "Input should" not in str(caught.value) and "Extra" not in str(caught.value)


def test_categories_may_be_the_column_alone(tmp_path: Path) -> None:
    mapping = WITH_ITEMS.replace("title: name", "title: name, categories: name")
    assert catalogue(write(tmp_path, mapping))["categories"].to_list()[0] == ["Film 101"]
