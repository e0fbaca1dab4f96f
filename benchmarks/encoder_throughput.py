"""Texts and pictures through the project's stream and through the bare encoder: the same files.

    python benchmarks/encoder_throughput.py POSTERS_FOLDER TEXTS_CSV [--pictures 800] [--texts 2000]

The bare loop decodes, preprocesses and encodes in one thread. Both run in turns within one
process, and the best of the rounds counts, so that a busy machine is fair to both.
"""

import argparse
import csv
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from models.encoders.device import choose_device
from models.encoders.factory import load_media_encoder, load_text_encoder
from models.encoders.protocol import MediaEncoder, TextEncoder
from models.encoders.stream import MediaRow, encode_media, encode_texts
from models.media.limits import MediaLimits
from models.media.tasks import TASKS

OUT = Path(__file__).parent / "out" / "encoder_throughput.json"


def main() -> None:
    options = parsed()
    limits, device = MediaLimits(), choose_device(options.device)
    weights = Path(__file__).parent / "out" / "weights"
    files = sorted(path.name for path in options.posters.iterdir() if path.is_file())
    names = files[: options.pictures]
    texts = read_texts(options.texts_csv)[: options.count]
    image = load_media_encoder("image", "efficientnet-lite0", weights=weights, device=device)
    text = load_text_encoder("minilm", weights=weights, device=device)
    image.encode([TASKS[image.task](options.posters, names[0], limits, {}).arrays[0]] * 4)
    text.encode(["warm"] * 4)
    pictures = race(
        lambda: bare_pictures(names, options.posters, image, limits, options.batch),
        lambda: streamed_pictures(names, options.posters, image, limits, options),
        len(names),
        options.rounds,
    )
    words = race(
        lambda: text.encode(texts), lambda: streamed_texts(texts, text), len(texts), options.rounds
    )
    result = {
        "device": str(device),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "workers": options.workers,
        "image": pictures,
        "text": words,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("posters", type=Path, help="folder of picture files")
    parser.add_argument("texts_csv", type=Path, help="CSV with a column named text")
    parser.add_argument("--pictures", type=int, default=800)
    parser.add_argument("--texts", dest="count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def read_texts(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file) if row["text"]]


def race(
    bare: Callable[[], object], ours: Callable[[], object], items: int, rounds: int
) -> dict[str, float]:
    """Items a second of both, best of the rounds, and their ratio."""
    seconds: dict[str, list[float]] = {"bare": [], "stream": []}
    for _ in range(rounds):
        for name, run in (("bare", bare), ("stream", ours)):
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    rates = {name: items / min(taken) for name, taken in seconds.items()}
    return {"items": items, **rates, "ratio": rates["stream"] / rates["bare"]}


def bare_pictures(
    names: list[str], root: Path, encoder: MediaEncoder, limits: MediaLimits, batch: int
) -> None:
    for start in range(0, len(names), batch):
        part = names[start : start + batch]
        encoder.encode([TASKS[encoder.task](root, name, limits, {}).arrays[0] for name in part])


def streamed_pictures(
    names: list[str],
    root: Path,
    encoder: MediaEncoder,
    limits: MediaLimits,
    options: argparse.Namespace,
) -> None:
    rows = (MediaRow(name, name) for name in names)
    encoded = encode_media(
        rows, root, encoder, limits=limits, workers=options.workers, batch_size=options.batch
    )
    for part in encoded:
        if part.failures:
            raise SystemExit(f"not a picture: {part.failures[0]}")


def streamed_texts(texts: list[str], encoder: TextEncoder) -> None:
    for _ in encode_texts(((str(row), text) for row, text in enumerate(texts)), encoder):
        pass


if __name__ == "__main__":
    main()
