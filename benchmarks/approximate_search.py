"""Recall, time and memory of approximate indexes of FAISS on a million vectors.

    pip install faiss-cpu
    python -m benchmarks.approximate_search TEXTS_CSV [--vectors 1000000] [--hnsw]

The platform itself searches exactly and needs no FAISS. The texts are encoded by the text tower.
The million are drawn from the normal distribution with the mean and the covariance of the texts'
vectors. Real texts lie in clusters, which are easier to search. One thread searches, one query at
a time; recall is the share of the exact 20 best that an index finds.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from benchmarks._runs import write
from benchmarks.encoder_throughput import read_texts
from models.encoders.factory import load_text_encoder

_OUT = Path("benchmarks/out")
_SEED = 42
_TEXTS = 2_000
_QUERIES, _K = 200, 20
_LISTS = 1024
_LEARNED_FROM = 65_536
_BLOCK = 50_000


def main() -> None:
    """Builds and searches one index after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("texts_csv", type=Path, help="CSV with a column named text")
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--hnsw", action="store_true", help="also a graph, which takes long")
    parser.add_argument("--out", type=Path, default=_OUT / "approximate_search.json")
    chosen = parser.parse_args()
    faiss.omp_set_num_threads(1)
    random = np.random.default_rng(_SEED)
    encoder = load_text_encoder("minilm", weights=_OUT / "weights", device=torch.device("cpu"))
    texts = encoder.encode(read_texts(chosen.texts_csv)[:_TEXTS])
    vectors, queries = (_like(texts, count, random) for count in (chosen.vectors, _QUERIES))
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    seconds, best = _searched(exact, queries)
    rows = [{"index": "exact", "recall": 1.0, "ms": 1e3 * seconds, "bytes": vectors.nbytes}]
    print(rows[0], flush=True)
    for row in _approximate(vectors, queries, best, chosen.hnsw):
        print(row, flush=True)
        rows.append(row)
    write(chosen.out, {"vectors": len(vectors), "dim": vectors.shape[1], "rows": rows})


def _like(texts: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Unit vectors (count, d) float32."""
    spread, axes = np.linalg.eigh(np.cov(texts, rowvar=False))
    root = (axes * np.sqrt(np.maximum(spread, 0))).T.astype(np.float32)
    vectors = np.empty((count, texts.shape[1]), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        block = vectors[start : start + _BLOCK]
        block[:] = random.standard_normal(block.shape, dtype=np.float32) @ root + texts.mean(0)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def _approximate(
    vectors: np.ndarray, queries: np.ndarray, best: np.ndarray, hnsw: bool
) -> Iterator[dict[str, Any]]:
    kinds = [f"IVF{_LISTS},Flat", f"IVF{_LISTS},PQ64"]
    for kind in [*kinds, "HNSW16"] if hnsw else kinds:
        began = time.perf_counter()
        index = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        if kind.startswith("IVF"):
            # FAISS takes no sample of its own below 256 vectors per list.
            index.cp.max_points_per_centroid = _LEARNED_FROM // _LISTS
        index.train(vectors[:_LEARNED_FROM])
        index.add(vectors)
        built, size = time.perf_counter() - began, faiss.serialize_index(index).nbytes
        width = "efSearch" if kind.startswith("HNSW") else "nprobe"
        for effort in (8, 32, 128):
            faiss.ParameterSpace().set_index_parameter(index, width, effort)
            seconds, found = _searched(index, queries)
            recall = np.mean([np.isin(a, b).mean() for a, b in zip(best, found, strict=True)])
            yield {
                "index": f"{kind}, {width} {effort}",
                "recall": round(float(recall), 3),
                "ms": round(1e3 * seconds, 2),
                "bytes": size,
                "build_seconds": round(built),
            }
        del index


def _searched(index: Any, queries: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds per query, and the row numbers (queries, k)."""
    began = time.perf_counter()
    found = [index.search(query[None], _K)[1][0] for query in queries]
    return (time.perf_counter() - began) / len(queries), np.stack(found)


if __name__ == "__main__":
    main()
