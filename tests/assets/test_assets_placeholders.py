import polars as pl

from assets.placeholders import set_aside_placeholders

ROW = {"modality": "image", "status": "ok", "error": None}


def rows(contents: list[str], status: str = "ok") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {**ROW, "item_id": str(item), "uri": f"{item}.jpg", "sha256": content, "status": status}
            for item, content in enumerate(contents)
        ],
        schema_overrides={"error": pl.String},
    )


def test_one_picture_for_a_third_of_the_items_counts_as_missing() -> None:
    contents = ["none"] * 4 + [f"own {item}" for item in range(8)]
    kept, found = set_aside_placeholders(rows(contents), 0.2)
    assert kept["status"].to_list() == ["missing"] * 4 + ["ok"] * 8
    assert kept["error"][0].startswith("The same file is the image of 4 of 12 items")
    assert kept["error"][4:].null_count() == 8
    assert found.to_dicts() == [{"modality": "image", "uri": "0.jpg", "items": 4, "of": 12}]


def test_two_placeholders_beside_each_other_are_both_found() -> None:
    contents = ["none"] * 5 + ["soon"] * 5 + [f"own {item}" for item in range(10)]
    kept, found = set_aside_placeholders(rows(contents), 0.2)
    assert kept["status"].to_list().count("missing") == 10 and found.height == 2


def test_albums_share_their_cover() -> None:
    contents = [f"album {item // 4}" for item in range(80)]
    kept, found = set_aside_placeholders(rows(contents), 0.2)
    assert set(kept["status"]) == {"ok"} and found.is_empty()


def test_two_of_few_items_are_no_pattern() -> None:
    kept, found = set_aside_placeholders(rows(["a", "a", "b"]), 0.2)
    assert set(kept["status"]) == {"ok"} and found.is_empty()


def test_the_other_modality_and_broken_files_are_left_alone() -> None:
    sounds = rows(["x", "y", "z", "v"]).with_columns(modality=pl.lit("audio"))
    broken = rows(["bad"] * 5, status="broken")
    both = pl.concat([rows(["none"] * 4), sounds, broken])
    kept, found = set_aside_placeholders(both, 0.2)
    assert kept["status"].to_list() == ["missing"] * 4 + ["ok"] * 4 + ["broken"] * 5
    assert found["modality"].to_list() == ["image"]
