"""A catalogue full of hostile files goes through the whole platform like any other."""

import csv

import polars as pl
import pytest
from media_files import hostile_pictures, hostile_sounds, path_tricks, pcm, picture
from small_platform import small_settings

from crossmodal.lake import Lake
from orchestration.run import run_pipeline

pytestmark = pytest.mark.slow

HARMLESS = {"text-bomb.png"}
"""A picture may carry a text too long to read; its pixels are good all the same."""

MAPPING = """\
root: .
interactions:
  path: events.csv
  user: user
  item: item
  time: time
  time_format: unix_s
  value: stars
items:
  path: items.csv
  id: item
  title: title
media:
  image: poster
  audio: sound
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, encoders_once: None) -> Lake:
    """The tables of a run over hostile files, path tricks and a few good items."""
    shop = tmp_path_factory.mktemp("hostile") / "shop"
    shop.mkdir()
    picture().save(shop.parent / "outside.png")
    posters = {f"picture-{name}": name for name in hostile_pictures()}
    sounds = {f"sound-{name}": name for name in hostile_sounds()}
    for name, content in {**hostile_pictures(), **hostile_sounds()}.items():
        (shop / name).write_bytes(content)
    tricks = path_tricks(shop, shop.parent / "outside.png")
    posters |= {f"trick-{number}": uri for number, uri in enumerate(tricks)}
    for number in range(12):
        picture(width=60 + 4 * number).save(shop / f"good-{number}.png")
        (shop / f"good-{number}.wav").write_bytes(pcm(8000 + 200 * number))
        posters[f"good-{number}"], sounds[f"good-{number}"] = (
            f"good-{number}.png",
            f"good-{number}.wav",
        )
    items = sorted(posters.keys() | sounds.keys())
    with (shop / "items.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["item", "title", "poster", "sound"])
        rows.writerows(
            [item, f"Title {item}", posters.get(item, ""), sounds.get(item, "")] for item in items
        )
    with (shop / "events.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "time", "stars"])
        rows.writerows(
            [f"u{user}", items[(7 * user + 5 * turn) % len(items)], 1_600_000_000 + 3600 * turn, 4]
            for user in range(30)
            for turn in range(10)
        )
    (shop / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    settings = small_settings(
        shop.parent / "home",
        source="tables",
        source_path=shop / "mapping.yaml",
        max_reject_share=1.0,
        max_broken_share=1.0,
        media_timeout_seconds=10.0,
    )
    with pytest.MonkeyPatch.context() as patch:
        # Models are fitted and judged in processes of their own, however the tests are run.
        patch.setenv("LOKY_MAX_CPU_COUNT", "2")
        run_pipeline(settings)
    return Lake(settings.home / "lake")


def test_every_hostile_file_has_a_row_with_its_reason(lake: Lake) -> None:
    media = lake.read("media")
    named = pl.col("uri").is_in([*hostile_pictures(), *hostile_sounds()])
    hostile = media.filter(named & ~pl.col("uri").is_in(HARMLESS))
    assert hostile["uri"].n_unique() >= 40
    assert set(hostile["status"]) == {"broken"}
    assert hostile["error"].str.ends_with(".").all()


def test_every_path_that_leads_out_is_rejected_by_name(lake: Lake) -> None:
    reasons = lake.read("rejects")["reason"].to_list()
    assert reasons.count("outside_root") >= 5


def test_good_files_beside_them_are_embedded_and_nothing_broken_is(lake: Lake) -> None:
    media = lake.read("media")
    for modality in ("image", "audio"):
        usable = media.filter((pl.col("modality") == modality) & (pl.col("status") == "ok"))
        embedded = set(lake.read(f"{modality}_embeddings")["item_id"])
        assert {f"good-{number}" for number in range(12)} <= embedded
        assert embedded == set(usable["item_id"])


def test_everyone_still_gets_recommendations(lake: Lake) -> None:
    assert lake.read("recommendations")["user_id"].n_unique() == 31
