"""Posters drawn from the dimensions that pictures express."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sources.sample.config import SampleConfig
from sources.sample.tastes import STREAM_POSTER, Array, random

WIDTH, HEIGHT = 200, 300

_POINTS, _CORNERS = 6, 48
_HALF = 0.5
_DIRECTIONS = ((1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.8, -0.6))
_WARM = np.array([250.0, 110.0, 20.0])
_COOL = np.array([20.0, 90.0, 250.0])
_INK, _PAPER = (20, 20, 20), (240, 235, 220)
_WIDEST_FRAME = 48


def draw_poster(config: SampleConfig, item: int, expressed: Array) -> Image.Image:
    """An RGB poster of 200 × 300 pixels from expressed image dimensions (6,).

    Shared: width of the frame, round or angular shapes, grain. Known to pictures alone: warm or
    cool colours, number of shapes, fineness of the stripes.
    """
    rng = random(config, STREAM_POSTER, item)
    frame, angular, grain, warmth, crowd, fineness = (_squash(value) for value in expressed)
    ground = _background(rng, warmth, fineness, grain)
    image = Image.fromarray(ground, "RGB")
    _draw_shapes(rng, image, warmth, angular, crowd)
    _draw_frame(image, frame)
    return image


def _squash(value: float) -> float:
    """A standard normal in 0 to 1, nearly linear within two deviations."""
    return float(np.clip(0.5 + value / 5.0, 0.0, 1.0))


def _background(
    rng: np.random.Generator, warmth: float, fineness: float, grain: float
) -> NDArray[np.uint8]:
    down = np.arange(HEIGHT, dtype=np.float32)[:, None]
    across = np.arange(WIDTH, dtype=np.float32)[None, :]
    x, y = _DIRECTIONS[int(rng.integers(len(_DIRECTIONS)))]
    period = 48.0 * (5.0 / 48.0) ** fineness
    phase = across * np.float32(x / period) + down * np.float32(y / period) + rng.random()
    stripe = np.abs((phase - np.floor(phase)) * 2 - 1) - np.float32(0.5)
    light = (1 + np.float32(0.7) * stripe) * (0.9 + down * np.float32(0.2 / HEIGHT))
    noise = rng.integers(-100, 101, size=(HEIGHT, WIDTH), dtype=np.int8)
    grains = noise * np.float32(0.9 * grain * grain)
    bands = [light * np.float32(band) + grains for band in _colour(warmth)]
    return np.stack([_pixels(band) for band in bands], axis=2)


def _pixels(band: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(band + np.float32(0.5), 0, 255).astype(np.uint8))


def _colour(warmth: float) -> Array:
    return np.asarray(_COOL + (_WARM - _COOL) * warmth)


def _draw_shapes(
    rng: np.random.Generator, image: Image.Image, warmth: float, angular: float, crowd: float
) -> None:
    draw = ImageDraw.Draw(image)
    size = 48.0 - 26.0 * crowd
    for _ in range(3 + round(23.0 * crowd)):
        x, y = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        radius = size * (0.8 + 0.4 * rng.random())
        tint = _colour(warmth) * (0.6 + 0.8 * rng.random()) + rng.integers(-20, 21, size=3)
        red, green, blue = np.clip(np.rint(tint), 0, 255).astype(int).tolist()
        corners = _shape(x, y, radius, angular, int(rng.integers(8)))
        draw.polygon(corners, fill=(red, green, blue), outline=_INK)


def _draw_frame(image: Image.Image, frame: float) -> None:
    width = round(_WIDEST_FRAME * frame)
    if width:
        box = (0, 0, WIDTH - 1, HEIGHT - 1)
        ImageDraw.Draw(image).rectangle(box, outline=_PAPER, width=width)


def _shape(x: int, y: int, radius: float, angular: float, turn: int) -> list[tuple[int, int]]:
    """Corners of a blob that is a disc at angular 0 and a six-pointed star at 1."""
    steps = np.arange(_CORNERS)
    away = np.abs((steps / _CORNERS * _POINTS) % 1.0 - _HALF) * 2.0
    lengths = radius * (1.0 + 0.4 * angular - 1.05 * angular * (1.0 - away))
    angles = (steps / _CORNERS + turn / 48.0) * (2.0 * np.pi)
    across, down = x + lengths * np.cos(angles), y + lengths * np.sin(angles)
    return [(round(a), round(b)) for a, b in zip(across.tolist(), down.tolist(), strict=True)]
