"""Events in the shape of ml-25m: as many users, films and ratings, in MovieLens' own files.

    python -m benchmarks.movielens_like FOLDER [--events 25000000] [--seed 42]

Users have a mixture of tastes and rate in sessions of minutes; films have genres and a skewed
popularity that fades with their age, so that what is chosen drifts over the years. No film is rated
before its release, and nobody rates one twice.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

FULL = 25_000_000
_USERS, _ITEMS = 162_000, 60_000
_FIRST_YEAR, _YEARS = 1996, 24
_SECONDS_PER_YEAR = 31_557_600
_ORIGIN = 820_454_400
# fmt: off
_GENRES = (
    "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War",
    "Western",
)
# fmt: on
_FEWEST, _SPREAD = 20, 1.1
_SESSION = 40
_USERS_AT_ONCE = 10_000
_REPEATS = 1.75
"""Draws per rating that is kept: users meet the popular again and again."""


@dataclass(frozen=True)
class Films:
    """The catalogue.

    Attributes:
        genres: (films, genres), 0 or 1.
        released: year of release, as a fraction, from the first year of ratings on.
        weight: popularity of a new film.
    """

    genres: Floats
    released: Floats
    weight: Floats


def write_movielens(folder: Path, events: int, seed: int = 42) -> None:
    """Writes ratings.csv and movies.csv.

    Args:
        folder: an empty one.
        events: about how many ratings; users grow with them, films with their root.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    share = events / FULL
    films = _films(max(500, round(_ITEMS * share**0.5)), rng)
    folder.mkdir(parents=True, exist_ok=True)
    _write_films(folder / "movies.csv", films)
    choices = _choices(films)
    users = max(50, round(_USERS * share))
    with (folder / "ratings.csv").open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for first in range(0, users, _USERS_AT_ONCE):
            count = min(_USERS_AT_ONCE, users - first)
            chunk = _ratings(first, count, events / users, films, choices, rng)
            chunk.write_csv(file, include_header=False)


def _films(count: int, rng: np.random.Generator) -> Films:
    own = rng.random((count, len(_GENRES))) < rng.dirichlet(np.ones(len(_GENRES))) * 2.2
    own[np.arange(count), rng.integers(len(_GENRES), size=count)] = True
    released = np.where(
        rng.random(count) < 0.45, rng.uniform(-40, 0, count), rng.uniform(0, _YEARS, count)
    )
    weight = 1.0 / (1 + rng.permutation(count)) ** 0.8
    return Films(own.astype(np.float64), released, weight)


def _write_films(path: Path, films: Films) -> None:
    years = (_FIRST_YEAR + np.floor(films.released)).astype(int)
    genres = ["|".join(np.array(_GENRES)[row > 0]) for row in films.genres]
    pl.DataFrame(
        {
            "movieId": np.arange(1, len(years) + 1),
            "title": [f"Film {number} ({year})" for number, year in enumerate(years, start=1)],
            "genres": genres,
        }
    ).write_csv(path)


def _choices(films: Films) -> Floats:
    """Cumulative chances of every film: (genres, years, films)."""
    age = np.arange(_YEARS)[:, None] + 0.5 - films.released
    faded = np.where(age >= 0, 0.15 + np.exp(-np.maximum(age, 0) / 3), 0) * films.weight
    chances = films.genres.T[:, None, :] * faded + 1e-12 * (age >= 0)
    chances = np.cumsum(chances, axis=2)
    return chances / chances[:, :, -1:]


def _ratings(
    first: int,
    users: int,
    mean: float,
    films: Films,
    choices: Floats,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The ratings of some users, by user and time."""
    drawn = rng.lognormal(0, _SPREAD, users)
    counts = np.rint((_FEWEST + drawn / np.exp(_SPREAD**2 / 2) * (mean - _FEWEST)) * _REPEATS)
    counts = counts.astype(np.int64)
    who = np.repeat(np.arange(users), counts)
    times = _times(counts, who, rng)
    tastes = rng.dirichlet(np.full(len(_GENRES), 0.25), users).cumsum(axis=1)
    genre = (rng.random(len(who))[:, None] > tastes[who]).sum(axis=1).clip(0, len(_GENRES) - 1)
    year = (times // _SECONDS_PER_YEAR).clip(0, _YEARS - 1)
    items = np.empty(len(who), dtype=np.int64)
    cell = genre * _YEARS + year
    order = np.argsort(cell, kind="stable")
    bounds = np.searchsorted(cell[order], np.arange(len(_GENRES) * _YEARS + 1))
    for place in range(len(_GENRES) * _YEARS):
        rows = order[bounds[place] : bounds[place + 1]]
        chances = choices[place // _YEARS, place % _YEARS]
        items[rows] = np.searchsorted(chances, rng.random(len(rows)))
    liking = 3.4 + 0.5 * films.genres[items, genre] + rng.normal(0, 0.9, len(who))
    frame = pl.DataFrame(
        {
            "userId": who + first + 1,
            "movieId": items.clip(0, len(films.weight) - 1) + 1,
            "rating": (np.rint(liking * 2) / 2).clip(0.5, 5),
            "timestamp": _ORIGIN + times,
        }
    )
    met = frame.unique(["userId", "movieId"], keep="first", maintain_order=True)
    wanted = pl.Series(np.rint(counts / _REPEATS).astype(np.int64))
    within = pl.int_range(pl.len()).over("userId") < wanted.gather(met["userId"] - first - 1)
    return met.filter(within)


def _times(counts: Longs, who: Longs, rng: np.random.Generator) -> Longs:
    """Seconds since the first year: sessions of minutes, with months between some of them."""
    joined = rng.beta(1.3, 1.0, len(counts)) * (_YEARS - 0.5) * _SECONDS_PER_YEAR
    place = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = place % _SESSION == 0
    gaps = np.where(begins, rng.exponential(20 * 86_400, len(who)), rng.exponential(40, len(who)))
    gaps[place == 0] = 0
    elapsed = np.cumsum(gaps)
    elapsed -= np.repeat(elapsed[np.cumsum(counts) - counts], counts)
    last = (_YEARS - 0.01) * _SECONDS_PER_YEAR
    return np.minimum(joined[who] + elapsed, last).astype(np.int64)


def main() -> None:
    """Writes the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=FULL)
    parser.add_argument("--seed", type=int, default=42)
    chosen = parser.parse_args()
    write_movielens(chosen.folder, chosen.events, chosen.seed)


if __name__ == "__main__":
    main()
