"""Sound clips synthesised from the dimensions that sound expresses."""

import numpy as np

from sources.sample.config import SampleConfig
from sources.sample.tastes import STREAM_SOUND, Array, random

_HARMONICS = 10
_CHORDS = ((1.0, 1.25, 1.5), (1.0, 1.2, 1.5), (1.0, 4 / 3, 5 / 3), (1.0, 1.125, 1.5))
_HIGHEST_HZ = 7000.0


def draw_sound(
    config: SampleConfig, item: int, expressed: Array, rate: int, channels: int
) -> Array:
    """A clip (channels, n), |sample| < 1, of 3 to 4 seconds from expressed audio dimensions (5,).

    Shared: hiss, how long notes ring, the drum. Known to sound alone: register and brightness.
    """
    rng = random(config, STREAM_SOUND, item)
    hiss, ring, drum, register, brightness = (
        float(np.clip(0.5 + value / 5.0, 0.0, 1.0)) for value in expressed
    )
    seconds = 3.0 + rng.random()
    beat = 2 * round(0.5 * rate * (0.31 + 0.05 * rng.random()))
    length = round(seconds * rate)
    notes = _notes(rng, length, beat, rate, 90.0 * 8.0**register, ring, brightness)
    since = np.arange(2 * beat) / rate
    kick = np.resize(np.sin(2 * np.pi * 62.0 * since) * np.exp(-since * 12.0), length)
    level = 10.0 ** (-3.2 + 2.0 * hiss)
    noise = rng.uniform(-1.0, 1.0, length)
    mix = 0.35 * notes + 10.0 ** (-1.7 + 1.7 * drum) * kick + level * noise
    mix *= (0.8 + 0.15 * rng.random()) / np.abs(mix).max()
    balance = 0.7 + 0.3 * rng.random()
    return np.stack([mix, balance * mix][:channels])


def _notes(
    rng: np.random.Generator,
    length: int,
    beat: int,
    rate: int,
    base: float,
    ring: float,
    brightness: float,
) -> Array:
    """A chord's tones in turn, one a beat, each with harmonics that fall with its brightness."""
    tones = base * np.array(_CHORDS[int(rng.integers(len(_CHORDS)))])
    since = np.arange(beat) / rate
    envelope = np.minimum(1.0, since * 80.0) * np.exp(-since * (24.0 * 0.04**ring))
    harmonics = np.arange(1, _HARMONICS + 1)
    frequency = tones[:, None] * harmonics
    levels = harmonics ** (-3.2 + 3.0 * brightness) * (frequency < _HIGHEST_HZ)
    waves = np.sin(2 * np.pi * frequency[:, :, None] * since)
    voices = np.einsum("th,thn->tn", levels, waves) * envelope
    turn = rng.integers(len(tones), size=length // beat + 1)
    sound = voices[turn].reshape(-1)[:length]
    return np.asarray(sound / np.abs(sound).max())
