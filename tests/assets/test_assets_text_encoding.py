"""What is read of an item whose texts are partly missing."""

import polars as pl

from assets.text_encoding import item_texts


def test_what_is_missing_leaves_no_gap_and_what_is_blank_is_no_text() -> None:
    items = pl.LazyFrame(
        {
            "item_id": ["whole", "bare", "nameless", "blank"],
            "title": ["Dusk", "Dusk", "", " "],
            "categories": [["Drama", "War"], [], ["War"], []],
            "text": ["A siege.", "", "A siege.", "  "],
            "created_at": [0, 0, 0, 0],
        }
    )
    found = item_texts(items)
    assert found.select("item_id", "text", "title").rows() == [
        ("whole", "Dusk. Drama, War. A siege.", "Dusk"),
        ("bare", "Dusk", "Dusk"),
        ("nameless", "War. A siege.", "War. A siege."),
    ]


def test_one_text_under_two_titles_is_two_contents() -> None:
    items = pl.LazyFrame(
        {
            "item_id": ["a", "b", "c"],
            "title": ["Dusk", "Dusk. War", "Dusk"],
            "categories": [["War"], [], ["War"]],
            "text": ["A siege.", "A siege.", "A siege."],
            "created_at": [0, 0, 0],
        }
    )
    found = item_texts(items)
    assert found["text"].n_unique() == 1
    assert found["content_sha256"][0] == found["content_sha256"][2] != found["content_sha256"][1]
