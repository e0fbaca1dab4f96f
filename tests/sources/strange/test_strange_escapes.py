"""Quotes and separators after a backslash: read under a key, refused by its name without it."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strange_tables import MAPPING, WITH_ITEMS, catalogue, events_csv, opened, read, write

from sources.protocol import SourceError

ESCAPED = WITH_ITEMS.replace("title: name", "title: name, escape: '\\'")
LETTERS = WITH_ITEMS.replace("title: name", "title: name, escape: none")
QUOTED = 'sku,name\n101,"a \\"quoted\\" title"\n102,"plain"\n'


def titles(folder: Path, mapping: str, items: str) -> list[str]:
    return catalogue(write(folder, mapping, items=items))["title"].to_list()


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        ('"a \\"quoted\\" title"', 'a "quoted" title'),
        ('"\\"Heroes\\""', '"Heroes"'),
        ('"12\\" vinyl, red"', '12" vinyl, red'),
        ('"ends in a stroke \\\\"', "ends in a stroke \\"),
        ('"three \\\\\\" of them"', 'three \\" of them'),
        ("Monsters\\, Inc.", "Monsters, Inc."),
        ('\\"bare\\"', '"bare"'),
        ('"two\nlines of \\"text\\""', 'two\nlines of "text"'),
        ("two\\\nlines", "two\nlines"),
        ('"C:\\work\\new"', "C:\\work\\new"),
        ("\\N", ""),
        ('"doubled "" too"', 'doubled " too'),
        ("It\\'s", "It's"),
    ],
)
def test_a_backslash_marks_what_is_text(tmp_path: Path, cell: str, title: str) -> None:
    items = f"sku,name\n101,{cell}\n102,next\n"
    assert titles(tmp_path, ESCAPED, items) == [title, "next"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE])
def test_what_python_and_pandas_escape_comes_back(tmp_path: Path, quoting: int) -> None:
    texts = ['say "hi", twice', "end\\", '"', '\\"', "a,b\\n", "C:\\work\\", '","', '\\","\\']
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, escapechar="\\", doublequote=False, quoting=quoting, lineterminator="\n"
    )
    writer.writerows([["sku", "name"], *([101 + n, text] for n, text in enumerate(texts))])
    assert titles(tmp_path, ESCAPED, out.getvalue()) == texts


UNQUOTED = ESCAPED.replace("title: name", "title: name, separator: tab, quote: none")


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        ("a\\tb", "a\tb"),
        ("a\\\tb", "a\tb"),
        ("line\\nfeed", "line\nfeed"),
        ("line\\\nfeed", "line\nfeed"),
        ("\\N", ""),
        ("C:\\\\new", "C:\\new"),
        ('"as it is"', '"as it is"'),
    ],
)
def test_tables_of_mysql_and_postgres_without_quotes(tmp_path: Path, cell: str, title: str) -> None:
    items = f"sku\tname\n101\t{cell}\n102\tnext\n"
    assert titles(tmp_path, UNQUOTED, items) == [title, "next"]


@pytest.mark.parametrize(
    ("cell", "line"),
    [('"a \\"quoted\\" title"', 3), ('"12\\" vinyl"', 3), ('"\\"Heroes\\""', 3)],
)
def test_without_the_key_the_file_is_refused(tmp_path: Path, cell: str, line: int) -> None:
    with pytest.raises(SourceError, match=rf"items\.csv, line {line}: a backslash") as caught:
        titles(tmp_path, WITH_ITEMS, f'sku,name\n101,"x"\n102,{cell}\n')
    assert "escape: '\\'" in str(caught.value) and "escape: none" in str(caught.value)


def test_an_escaped_quote_at_the_end_swallows_nothing(tmp_path: Path) -> None:
    items = 'sku,name\n101,"5\\""\n102,"plain"\n103,7"\n'
    with pytest.raises(SourceError, match=r"line 2: a backslash"):
        titles(tmp_path, WITH_ITEMS, items)
    assert titles(tmp_path, ESCAPED, items) == ['5"', "plain", '7"']


@pytest.mark.parametrize("row", ['101,"a\\"",",x"', '101,a \\"b\\" c,x'])
def test_a_line_that_can_be_read_in_two_ways_is_rejected(tmp_path: Path, row: str) -> None:
    items = f"sku,name,more\n{row}\n102,plain,x\n"
    found = opened(write(tmp_path, WITH_ITEMS, items=items)).items()
    assert found.frame.collect()["item_id"].to_list() == ["102"]
    assert "escape: none" in found.rejects.collect()["detail"].item()


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        ('"C:\\dir\\"', "C:\\dir\\"),
        ('"a ""q"" \\ b"', 'a "q" \\ b'),
        ('"ends in \\"""', 'ends in \\"'),
        ("C:\\new", "C:\\new"),
    ],
)
def test_a_backslash_of_a_plain_file_is_a_letter(tmp_path: Path, cell: str, title: str) -> None:
    items = f"sku,name\n101,{cell}\n102,next\n"
    assert titles(tmp_path, WITH_ITEMS, items) == [title, "next"]
    assert titles(tmp_path, LETTERS, items) == [title, "next"]


def test_a_backslash_that_gives_no_meaning_costs_its_line(tmp_path: Path) -> None:
    items = "sku\tname\n101\tC:\\work\n102\tplain\n"
    found = opened(write(tmp_path, UNQUOTED, items=items)).items()
    assert found.frame.collect()["title"].to_list() == ["plain"]
    assert found.rejects.collect().select("row", "reason").rows() == [(1, "bad_line")]
    assert "escape: none" in found.rejects.collect()["detail"].item()


def test_too_many_fields_after_a_backslash_name_the_key(tmp_path: Path) -> None:
    found = opened(write(tmp_path, WITH_ITEMS, items="sku,name\n101,A\\, B\n102,x\n")).items()
    assert "escape: '\\'" in found.rejects.collect()["detail"].item()


def test_rows_keep_their_numbers(tmp_path: Path) -> None:
    mapping = MAPPING.replace("time: at", "time: at, escape: backslash")
    text = events_csv().replace("u000", '"u\\"0"', 1) + "u\\\nu,101,9,never\n"
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert 'u"0' in found["user_id"].to_list()
    assert rejects.select("row", "reason").rows() == [(601, "bad_id")]


def test_another_escape_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 2: interactions\.escape: escape is"):
        opened(write(tmp_path, MAPPING.replace("time: at", "time: at, escape: '^'")))


TEXTS = st.lists(
    st.text(st.sampled_from(list('",\n ab')), min_size=1, max_size=8).map(str.strip),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from([",", ";"]))
def test_escapes_that_nothing_tells_of_are_never_read_as_something_else(
    texts: list[str], quoting: int, separator: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=separator,
        escapechar="\\",
        doublequote=False,
        quoting=quoting,
        lineterminator="\n",
    )
    writer.writerows([["sku", "name"], *([f"i{n}", text] for n, text in enumerate(texts))])
    mapping = WITH_ITEMS.replace("title: name", f'title: name, separator: "{separator}"')
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = catalogue(write(Path(folder), mapping, items=out.getvalue()))
        except SourceError as error:
            assert "escape: '\\'" in str(error) or "`quote: none`" in str(error)
            return
    for item, title in found.select("item_id", "title").iter_rows():
        assert item.startswith("i") and title == texts[int(item[1:])]
