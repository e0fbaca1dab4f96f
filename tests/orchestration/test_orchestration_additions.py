"""One more model, modality, source, encoder and fusion operator: what each touches, and a run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEW = Path(__file__).parent / "additions"
GUIDE = ROOT / "docs" / "adding-a-model.md"
MOST_FILES = 3
PACKAGES = (
    "assets", "crossmodal", "feature_repo", "models", "orchestration", "serving", "sources"
)  # fmt: skip

Patch = Mapping[str, str | list[tuple[str, str]]]
"""By file: the text of a new one; or what is put into one that is there, each time before what."""


def new(name: str) -> str:
    return (NEW / name).read_text("utf-8")


def of_the_guide(language: str) -> str:
    """The first block of a language in the guide to adding a model."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), flags=re.DOTALL)
    assert found is not None
    return found.group(1)


def encoder(kind: str, name: str, of: str) -> str:
    """The entry of an encoder whose file has its name."""
    return f'    EncoderEntry("{kind}", "{name}", "1", "models.encoders.{name}:{of}"),\n'


def patches() -> dict[str, Patch]:
    return {
        "model": {
            "models/baselines/token_overlap.py": of_the_guide("python"),
            "models/catalogue/counting.py": [
                ("    ModelEntry(\n", f"    {of_the_guide('text').rstrip()},\n")
            ],
        },
        "modality": {
            "models/encoders/colours.py": new("colours.py"),
            "models/encoders/catalogue.py": [
                ("    EncoderEntry(\n", encoder("image", "colours", "ColourEncoder"))
            ],
            "crossmodal/modalities.py": [
                (
                    '    Modality("attributes"',
                    '    Modality("colours", "its colours", lambda _: "colours", "image"),\n',
                )
            ],
        },
        "encoder": {
            "models/encoders/loudness.py": new("loudness.py"),
            "models/encoders/catalogue.py": [
                ("    EncoderEntry(\n", encoder("audio", "loudness", "LoudnessEncoder"))
            ],
        },
        "source": {
            "sources/shop.py": new("shop.py"),
            "sources/catalogue.py": [
                (
                    "    SourceEntry(\n",
                    '    SourceEntry("shop", "a shop", "sources.shop:open_shop"),\n',
                )
            ],
        },
        "operator": {
            "models/fusion/median.py": new("median.py"),
            "models/fusion/operators.py": [
                ("from models.fusion.mixture", "from models.fusion.median import Median\n"),
                ('    "concatenation",\n', '    "median",\n'),
                ('    "concatenation": ', '    "median": Median,\n'),
            ],
        },
    }


PROGRAM = """
import sys
from pathlib import Path

from crossmodal.lake import Lake

home = Path(sys.argv[1])
from orchestration.cli import app
from typer.testing import CliRunner

found = CliRunner().invoke(app, ["run", "--source", "shop"], catch_exceptions=False)
print(found.output)
assert found.exit_code == 0, found.output

lake = Lake(home / "lake")
colours = lake.read("colours_embeddings")
assert colours.height > 20 and set(colours["encoder"]) == {"colours"}
assert {row.len() for row in colours["features"]} == {27}
assert lake.read("item_tokens")["colours"].drop_nulls().len() == colours.height
assert set(lake.read("audio_embeddings")["encoder"]) == {"loudness"}
assert "token_overlap" in set(lake.read("metrics")["model"])
assert "colours" in set(lake.read("modality_worth")["modality"])

from feature_repo.catalogue import ONLINE_VIEWS

assert {"item_colours_embedding", "user_taste_colours"} <= set(ONLINE_VIEWS)
keys = dict(lake.read("online_features").select("view", "keys").iter_rows())
assert keys["item_colours_embedding"] == colours.height

import torch
from models.fusion import fusion_operator
from models.gat.config import GATConfig

chosen = GATConfig(operator="median").operator
tokens = torch.tensor([[[1.0], [5.0], [2.0]]])
assert fusion_operator(chosen, 3, 1)(tokens, torch.tensor([[True, False, True]])).item() == 1.0
"""


def apply(patch: Patch, root: Path) -> None:
    for name, change in patch.items():
        path = root / name
        if isinstance(change, str):
            assert not path.exists()
            path.write_text(change, "utf-8")
            continue
        text = path.read_text("utf-8")
        for before, added in change:
            assert before in text
            text = text.replace(before, added + before, 1)
        path.write_text(text, "utf-8")


@pytest.mark.slow
def test_additions_of_three_files_each_run_together(tmp_path: Path) -> None:
    # What Numba has compiled is kept: none of the additions changes it.
    root, ignored = tmp_path / "checkout", shutil.ignore_patterns("*.pyc")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=ignored)
    for patch in patches().values():
        assert len(patch) <= MOST_FILES
        apply(patch, root)
    chosen = {
        "HOME": tmp_path / "home",
        "SAMPLE_USERS": 30,
        "SAMPLE_ITEMS": 40,
        "SAMPLE_EVENTS": 800,
        "TRAINING_EPOCHS": 1,
        "BOOTSTRAP_SAMPLES": 100,
        "AUDIO_ENCODER": "loudness",
        "ID_KEY": "a key for tests",
    }
    environment = {f"CROSSMODAL_{name}": str(value) for name, value in chosen.items()}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "home")],
        cwd=root,
        env={**os.environ, **environment, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
