"""Time and memory of fits, and of lists, as the events and the catalogue grow.

    python -m benchmarks.scale [--models transformer,gat,mmnn,hmdf] [--items 20000]
                               [--events 500000,1600000,5000000] [--device cuda]

The events are synthetic: users of a hidden taste choose items of a skewed popularity, and each
item has a text token that tells its taste. Every fit is a process of its own, whose peak of
resident memory is the figure; it includes the events themselves. Validation is one event of some
users. Lists are those of 1,000 users in one batch, and of 100 one by one; each holds 20 items.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.catalogue import entry_of
from models.data import Dataset, Interactions, TokenTable, Vocabulary
from models.encoders.device import choose_device

OUT = Path(__file__).parent / "out" / "scale.json"
_EVENTS_A_USER = 50
_TASTES = 16
_TOKEN = 64
_VALIDATED_USERS = 2_000
_LISTED_USERS = 1_000
_LISTED_ALONE = 100
_LENGTH = 20
_GIB = 2**30
MODELS = ("mmnn", "transformer", "gat")


def main() -> None:
    """Runs every fit in a process of its own and writes the table."""
    chosen = _parsed()
    if chosen.one:
        print(json.dumps(measured(chosen.models[0], chosen.events[0], chosen)))
        return
    rows = []
    for model in chosen.models:
        for events in chosen.events:
            rows.append(_in_a_process(model, events, chosen))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    result = {"date": date.today().isoformat(), "cpus": os.cpu_count(), "rows": rows}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result | {"machine": platform.machine()}, indent=1) + "\n")
    print(f"Written to {chosen.out}.")


def measured(name: str, n_events: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """One fit and its lists: seconds of the wall clock and of the processor, the peaks of memory in
    GiB (of the process, of the GPU), the validation loss that was reached, milliseconds of the
    processor that a list costs among many (mean) and alone (median), and MiB of the saved model."""
    dataset = synthetic(n_events, chosen.items, chosen.seed)
    device = choose_device(chosen.device)
    before = _peak()
    wall, cpu = time.perf_counter(), time.process_time()
    model = _model(name, chosen.seed, device).fit(dataset)
    fitted, used = time.perf_counter() - wall, time.process_time() - cpu
    together, alone = _list_ms(model, dataset)
    return {
        "model": name,
        "device": _name_of(device),
        "events": n_events,
        "users": dataset.n_users,
        "items": chosen.items,
        "fit_s": round(fitted, 1),
        "cpu_s": round(used, 1),
        "events_gib": round(before, 2),
        "peak_gib": round(_peak(), 2),
        "gpu_gib": round(torch.cuda.max_memory_allocated() / _GIB, 2),
        "epochs": len(model.curve.train),
        "loss": round(min(model.curve.validation), 4),
        "list_ms": round(together, 2),
        "one_list_ms": round(alone, 2),
        "saved_mib": round(_saved_bytes(model) / 2**20, 1),
    }


def _saved_bytes(model: Any) -> int:
    """Size of the model's folder: its arrays, of which a service maps one copy per machine."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def _list_ms(model: Any, dataset: Dataset) -> tuple[float, float]:
    """Milliseconds of processor time of a list among many, and of a list made alone."""
    users = dataset.histories(np.arange(min(_LISTED_USERS, dataset.n_users), dtype=np.int32))
    model.recommend(users.rows(0, 1), _LENGTH, exclude=users.rows(0, 1))
    began = time.process_time()
    model.recommend(users, _LENGTH, exclude=users)
    together = (time.process_time() - began) / len(users)
    alone = []
    for row in range(min(_LISTED_ALONE, len(users))):
        user = users.rows(row, row + 1)
        began = time.process_time()
        model.recommend(user, _LENGTH, exclude=user)
        alone.append(time.process_time() - began)
    return together * 1000, float(np.median(alone)) * 1000


def synthetic(n_events: int, n_items: int, seed: int) -> Dataset:
    """Events of users who mostly choose popular items near their taste."""
    rng = np.random.default_rng(seed)
    n_users = n_events // _EVENTS_A_USER
    taste_of_item = rng.integers(_TASTES, size=n_items)
    weight = 1.0 / np.arange(1, n_items + 1) ** 0.8
    users = np.repeat(np.arange(n_users, dtype=np.int32), _EVENTS_A_USER)
    tastes = np.repeat(rng.integers(_TASTES, size=n_users), _EVENTS_A_USER)
    astray = rng.random(len(users)) < 0.2
    tastes[astray] = rng.integers(_TASTES, size=int(astray.sum()))
    items = np.zeros(len(users), dtype=np.int32)
    for taste in range(_TASTES):
        rows, near = np.flatnonzero(tastes == taste), np.flatnonzero(taste_of_item == taste)
        shares = weight[near] / weight[near].sum()
        items[rows] = rng.choice(near, len(rows), p=shares)
    times = np.tile(np.arange(_EVENTS_A_USER, dtype=np.int64) * 3_600_000_000, n_users)
    events = Interactions(users, items, np.ones(len(users), dtype=np.float32), times)
    held = (np.arange(len(users)) % _EVENTS_A_USER == _EVENTS_A_USER - 1) & (
        users < _VALIDATED_USERS
    )
    tokens = np.eye(_TASTES, _TOKEN, dtype=np.float32)[taste_of_item]
    tokens += rng.normal(0, 0.3, tokens.shape).astype(np.float32)
    known = np.full(n_items, np.iinfo(np.int64).min, dtype=np.int64)
    text = TokenTable(n_items, np.arange(n_items, dtype=np.int32), known, tokens)
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(n_users))),
        Vocabulary(tuple(f"i{n}" for n in range(n_items))),
        events.take(~held),
        events.take(held),
        {"text": text},
        np.zeros((int((~held).sum()), 0), dtype=np.float32),
    )


def _model(name: str, seed: int, device: torch.device) -> Any:
    """An unfitted model; of the networks only its own modules are imported, as they count."""
    return entry_of(name).build({"seed": seed}, str(device))


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GIB


def _in_a_process(model: str, events: int, chosen: argparse.Namespace) -> dict[str, Any]:
    facts = {"models": model, "events": events, "items": chosen.items, "seed": chosen.seed}
    facts["device"] = chosen.device
    flags = [part for key, value in facts.items() for part in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "benchmarks.scale", "--one", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{model} on {events} events failed:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--models", type=lambda text: tuple(text.split(",")), default=MODELS, help="with commas"
    )
    parser.add_argument(
        "--events",
        type=lambda text: tuple(int(part) for part in text.split(",")),
        default=(500_000, 1_600_000, 5_000_000),
        help="with commas",
    )
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--one", action="store_true", help="fit one model here and print its row")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
