"""Posters drawn from the dimensions that pictures express."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sources.sample.config import SampleConfig
from sources.sample.tastes import STREAM_POSTER, Array, random

WIDTH, HEIGHT = 200, 300

_DIRECTIONS = ((1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.8, -0.6))
_WARM = np.array([235.0, 110.0, 30.0])
_MIDDLE = np.array([150.0, 190.0, 120.0])
_COOL = np.array([30.0, 80.0, 230.0])


def draw_poster(config: SampleConfig, item: int, expressed: Array) -> Image.Image:
    """An RGB poster of 200 × 300 pixels from expressed image dimensions (6,).

    Shared: brightness, round or angular shapes, grain. Known to pictures alone: warm or cool
    background, number of shapes, fineness of the stripes.
    """
    rng = random(config, STREAM_POSTER, item)
    bright, angular, grain, warmth, crowd, fineness = (_squash(value) for value in expressed)
    ground = _background(rng, bright, warmth, fineness, grain)
    image = Image.fromarray(ground, "RGB")
    _draw_shapes(rng, image, bright, angular, crowd)
    return image


def _squash(value: float) -> float:
    """A standard normal in 0 to 1, nearly linear within two deviations."""
    return float(np.clip(0.5 + value / 5.0, 0.0, 1.0))


def _background(
    rng: np.random.Generator, bright: float, warmth: float, fineness: float, grain: float
) -> NDArray[np.uint8]:
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    x, y = _DIRECTIONS[int(rng.integers(len(_DIRECTIONS)))]
    period = 48.0 * (5.0 / 48.0) ** fineness
    phase = (across * x + down * y + rng.random() * period) / period
    stripe = np.abs((phase % 1.0) * 2.0 - 1.0) - 0.5
    colour = _colour(warmth)
    light = (0.35 + 0.85 * bright) * (0.9 + 0.2 * down / HEIGHT) * (1.0 + 0.7 * stripe)
    noise = rng.integers(-100, 101, size=(HEIGHT, WIDTH)) * (0.9 * grain * grain)
    pixels = light[:, :, None] * colour + noise[:, :, None]
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _colour(warmth: float) -> Array:
    if warmth < 0.5:
        return _COOL + (_MIDDLE - _COOL) * (2.0 * warmth)
    return _MIDDLE + (_WARM - _MIDDLE) * (2.0 * warmth - 1.0)


def _draw_shapes(
    rng: np.random.Generator, image: Image.Image, bright: float, angular: float, crowd: float
) -> None:
    draw = ImageDraw.Draw(image)
    count = 1 + round(23.0 * crowd)
    size = 46.0 - 26.0 * crowd
    for _ in range(count):
        x, y = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        radius = round(size * (0.7 + 0.6 * rng.random()))
        level = round(60 + 180 * bright)
        fill = tuple(int(np.clip(level + rng.integers(-50, 51), 0, 255)) for _ in range(3))
        outline = (20, 20, 20) if bright > 0.5 else (235, 235, 235)
        if rng.random() < angular:
            spike = _star(x, y, radius, int(rng.integers(8)))
            draw.polygon(spike, fill=fill, outline=outline)
        else:
            box = (x - radius, y - radius, x + radius, y + radius)
            draw.ellipse(box, fill=fill, outline=outline)


def _star(x: int, y: int, radius: int, turn: int) -> list[tuple[int, int]]:
    """Corners of a four-pointed star, turned by sixteenths of a circle."""
    angles = (np.arange(8) + turn / 4.0) * (np.pi / 4.0)
    lengths = np.where(np.arange(8) % 2 == 0, 1.35 * radius, 0.5 * radius)
    corners = np.stack([x + lengths * np.cos(angles), y + lengths * np.sin(angles)], axis=1)
    return [(round(float(cx)), round(float(cy))) for cx, cy in corners]
