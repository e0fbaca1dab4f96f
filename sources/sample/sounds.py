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
    time = np.arange(round(seconds * rate)) / rate
    beat = 0.28 + 0.12 * rng.random()
    notes = _notes(rng, time, beat, 90.0 * 8.0**register, ring, brightness)
    since_kick = time % (2 * beat)
    kick = np.sin(2 * np.pi * 62.0 * since_kick) * np.exp(-since_kick * 12.0)
    level = 10.0 ** (-2.6 + 2.0 * hiss)
    noise = rng.uniform(-1.0, 1.0, len(time))
    mix = 0.35 * notes + 10.0 ** (-2.0 + 1.7 * drum) * kick + level * noise
    mix *= (0.8 + 0.15 * rng.random()) / np.abs(mix).max()
    if channels == 1:
        return mix[None, :]
    balance = 0.7 + 0.3 * rng.random()
    return np.stack([mix, balance * mix])


def _notes(
    rng: np.random.Generator,
    time: Array,
    beat: float,
    base: float,
    ring: float,
    brightness: float,
) -> Array:
    """A chord's tones in turn, one a beat, each with harmonics that fall with its brightness."""
    chord = _CHORDS[int(rng.integers(len(_CHORDS)))]
    step = (time // beat).astype(np.int64)
    tones = base * np.array(chord)[rng.integers(3, size=int(step.max()) + 1)]
    frequency = tones[step]
    since = time % beat
    envelope = np.minimum(1.0, since * 80.0) * np.exp(-since * (24.0 * 0.04**ring))
    sound = np.zeros_like(time)
    # One rotation a sample is multiplied up to the harmonics: a tenth of the cost of ten sines.
    turn = np.exp(2j * np.pi * frequency * since)
    wave = np.ones_like(turn)
    for harmonic in range(1, _HARMONICS + 1):
        wave = wave * turn
        audible = harmonic * frequency < _HIGHEST_HZ
        sound += wave.imag * audible * harmonic ** (-3.2 + 3.0 * brightness)
    loudest = np.abs(sound).max()
    return sound * envelope / max(loudest, 1e-9)
