import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio
from PIL import Image
from safetensors.torch import save_file

from models.encoders.builtin import LITE0, LOGMEL, MINILM, lite0_checkpoint, minilm_folder
from models.encoders.catalogue import Kind
from models.encoders.checksums import WeightsMismatchError, verify_file
from models.encoders.device import choose_device, largest_batch
from models.encoders.factory import load_media_encoder, load_text_encoder
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import Encoder, EncoderLoadError, MediaEncoder, TextEncoder
from models.encoders.stream import MediaRow, encode_media, encode_texts
from models.media import MediaLimits
from models.media.audio import decode_audio
from models.media.paths import sha256_of

CPU = torch.device("cpu")
LIMITS = MediaLimits()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def text(weights: Path) -> TextEncoder:
    return load_text_encoder(MINILM, weights=weights, device=CPU)


@pytest.fixture(scope="module")
def image(weights: Path) -> MediaEncoder:
    return load_media_encoder("image", LITE0, weights=weights, device=CPU)


@pytest.fixture(scope="module")
def audio(weights: Path) -> MediaEncoder:
    return load_media_encoder("audio", LOGMEL, weights=weights, device=CPU)


def blot(seed: int, size: tuple[int, int] = (40, 60)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def require_one_direction(one: np.ndarray, other: np.ndarray) -> None:
    """Unit vectors (n, d) that differ by no more than the precision they are computed in."""
    assert (one * other).sum(axis=1).min() > 0.9998


def test_vectors_of_texts_are_those_of_full_precision(text: TextEncoder) -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(minilm_folder()), device="cpu")
    sentence = "A clockmaker who never leaves his tower falls in love with a sailor's voice, and "
    texts = ["", "Dog", "Über Renée, 東京", *(sentence * n + str(n) for n in range(1, 20, 3))]
    expected = plain.encode(texts, normalize_embeddings=True, convert_to_numpy=True)
    require_one_direction(text.encode(texts), expected)


def test_many_texts_at_once_are_encoded_as_each_by_itself(text: TextEncoder) -> None:
    """Batches side by side keep the order of the texts, and leave torch as many threads."""
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(minilm_folder()), device="cpu")
    texts = [f"{number} " + "a lighthouse in winter " * (number % 9) for number in range(200)]
    threads = torch.get_num_threads()
    expected = plain.encode(texts, normalize_embeddings=True, convert_to_numpy=True)
    vectors = text.encode(texts)
    require_one_direction(vectors, expected)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(vectors, text.encode(texts))


def test_texts_of_one_meaning_are_near(text: TextEncoder) -> None:
    vectors = text.encode(["a film about a dog", "a movie of a puppy", "quarterly tax returns"])
    assert isinstance(text, Encoder) and vectors.dtype == np.float32
    assert vectors.shape == (3, text.dim) == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.7 > 0.3 > vectors[0] @ vectors[2]
    assert text.encode([]).shape == (0, 384)


def test_texts_stream_in_their_order(text: TextEncoder) -> None:
    texts = [(str(n), "word " * (1 + n * 7 % 11)) for n in range(10)]
    done: list[int] = []
    parts = list(encode_texts(iter(texts), text, batch_size=4, progress=done.append))
    assert [key for part in parts for key in part.keys] == [key for key, _ in texts]
    assert done == [4, 8, 10]
    together = np.concatenate([part.features for part in parts])
    require_one_direction(together, text.encode([t for _, t in texts]))


def test_the_picture_encoder_is_an_open_clip_model(image: MediaEncoder, text: TextEncoder) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(minilm_folder()))
    tokens = tokenizer(["a dog", "two red boats"], return_tensors="pt", padding=True).input_ids
    with torch.inference_mode():
        words = image.model.encode_text(tokens, normalize=True)  # type: ignore[attr-defined]
    require_one_direction(words.numpy(), text.encode(["a dog", "two red boats"]))
    assert not image.model.training  # type: ignore[attr-defined]


def test_the_weights_are_read_with_their_own_padding_and_scale(image: MediaEncoder) -> None:
    ramp = np.linspace(0, 255, 224 * 224 * 3).reshape(1, 224, 224, 3).astype(np.uint8)
    expected = torch.from_numpy(ramp).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        pooled = image.model.visual.trunk(expected)  # type: ignore[attr-defined]
    features = image.encode([ramp])
    np.testing.assert_allclose(features, pooled.numpy(), atol=1e-4)
    assert type(image.model.visual.trunk.conv_stem).__name__ == "Conv2dSame"  # type: ignore[attr-defined]


def test_pictures_stream_and_failures_are_told(tmp_path: Path, image: MediaEncoder) -> None:
    for number, size in enumerate([(40, 60), (60, 40), (50, 50), (40, 61)]):
        blot(number, size).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"nonsense")
    rows = [MediaRow(str(n), f"{n}.png", sha256_of(tmp_path / f"{n}.png")) for n in range(4)]
    rows[2:2] = [MediaRow("bad", "bad.png"), MediaRow("none", "none.png")]
    rows += [MediaRow("out", "../x.png"), MediaRow("changed", "0.png", "0" * 64)]
    parts = list(encode_media(iter(rows), tmp_path, image, limits=LIMITS, workers=2, batch_size=3))
    assert [len(part.keys) + len(part.failures) for part in parts] == [3, 3, 2]
    assert [key for part in parts for key in part.keys] == ["0", "1", "2", "3"]
    failed = {failure.key: failure.reason for part in parts for failure in part.failures}
    assert list(failed) == ["bad", "none", "out", "changed"]
    assert "changed since" in failed["changed"]
    assert parts[-1].features.shape == (0, image.dim)
    again = list(encode_media(rows, tmp_path, image, limits=LIMITS, workers=1, batch_size=3))
    for one, other in zip(parts, again, strict=True):
        np.testing.assert_array_equal(one.features, other.features)


def test_a_clip_counts_as_the_mean_of_its_frames(image: MediaEncoder) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 96, 64, 3), dtype=np.uint8)
    single = image.encode([frame[None] for frame in frames])
    np.testing.assert_allclose(image.encode([frames])[0], single.mean(0), atol=1e-4)


def test_sound_features_ignore_level_and_take_any_length(audio: MediaEncoder) -> None:
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(20_000)).astype(np.float32)
    loud, soft, click = audio.encode([samples, samples * 0.3, samples[:5]])
    np.testing.assert_allclose(loud, soft, atol=0.05)
    assert np.isfinite(click).all() and len(click) == audio.dim
    assert np.isfinite(audio.encode([np.zeros(8000, dtype=np.float32)])).all()


def test_a_torchaudio_folder_is_an_encoder(tmp_path: Path, weights: Path) -> None:
    arguments = {
        "extractor_mode": "group_norm",
        "extractor_conv_layer_config": [[16, 10, 5], [16, 8, 4]],
        "extractor_conv_bias": False,
        "encoder_embed_dim": 16,
        "encoder_projection_dropout": 0.0,
        "encoder_pos_conv_kernel": 8,
        "encoder_pos_conv_groups": 2,
        "encoder_num_layers": 2,
        "encoder_num_heads": 2,
        "encoder_attention_dropout": 0.0,
        "encoder_ff_interm_features": 16,
        "encoder_ff_interm_dropout": 0.0,
        "encoder_dropout": 0.0,
        "encoder_layer_norm_first": False,
        "encoder_layer_drop": 0.0,
        "aux_num_out": None,
    }
    torch.manual_seed(0)
    tensors = torchaudio.models.wav2vec2_model(**arguments).state_dict()
    save_file(tensors, tmp_path / "model.safetensors")
    config = {"architecture": "wav2vec2_model", "arguments": arguments}
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = load_media_encoder("audio", str(tmp_path), weights=weights, device=CPU)
    vectors = encoder.encode([np.ones(4000, dtype=np.float32), np.zeros(9, dtype=np.float32)])
    assert vectors.shape == (2, encoder.dim) == (2, 32) and np.isfinite(vectors).all()
    assert encoder.fingerprint == fingerprint_of("audio", str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(EncoderLoadError, match=r"model\.safetensors"):
        load_media_encoder("audio", str(tmp_path), weights=weights, device=CPU)


def test_an_open_clip_folder_is_an_encoder(tmp_path: Path, weights: Path) -> None:
    import open_clip

    tower = {"layers": 1, "width": 64, "head_width": 32, "image_size": 32, "patch_size": 16}
    words = {"context_length": 8, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    cfg = {"embed_dim": 24, "vision_cfg": tower, "text_cfg": words}
    config = {"model_cfg": cfg, "preprocess_cfg": {"size": 32}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**cfg).state_dict(), tmp_path / "open_clip_model.safetensors")
    encoder = load_media_encoder("image", str(tmp_path), weights=weights, device=CPU)
    assert encoder.task == "plain_pixels" and encoder.dim == 24
    blot(1).save(tmp_path / "a.png")
    [part] = encode_media(
        [MediaRow("a", "a.png")], tmp_path, encoder, limits=LIMITS, workers=1, batch_size=2
    )
    assert part.features.shape == (1, 24) and not part.failures


@pytest.mark.parametrize(
    ("kind", "name"),
    [("image", "no-such-model"), ("image", "no-such-model/none"), ("audio", "NO_SUCH_BUNDLE")],
)
def test_an_unknown_encoder_says_what_to_set(kind: Kind, name: str, weights: Path) -> None:
    with pytest.raises(EncoderLoadError, match="set CROSSMODAL_"):
        load_media_encoder(kind, name, weights=weights, device=CPU)


def test_other_weights_are_refused(tmp_path: Path, image: MediaEncoder, weights: Path) -> None:
    copy = tmp_path / "a.pth"
    shutil.copy(lite0_checkpoint(), copy)
    with copy.open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    with pytest.raises(WeightsMismatchError, match="install it again"):
        verify_file(copy, sha256_of(lite0_checkpoint()), "install it again")
    kept = tmp_path / "efficientnet-lite0.safetensors"
    shutil.copy(weights / kept.name, kept)
    with kept.open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\x80\x3f")
    with pytest.raises(WeightsMismatchError, match="delete it"):
        load_media_encoder("image", LITE0, weights=tmp_path, device=CPU)


def test_fingerprints_need_no_torch_and_agree_with_the_encoders(
    text: TextEncoder, image: MediaEncoder, audio: MediaEncoder
) -> None:
    assert text.fingerprint == fingerprint_of("text", MINILM)
    assert image.fingerprint == fingerprint_of("image", LITE0)
    assert audio.fingerprint == fingerprint_of("audio", LOGMEL)
    program = "import sys, models.encoders.fingerprints; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_fingerprints_change_with_what_they_cover(tmp_path: Path) -> None:
    shorter = MediaLimits(max_seconds=5)
    assert fingerprint_of("audio", LOGMEL) != fingerprint_of("audio", LOGMEL, shorter)
    assert fingerprint_of("image", LITE0) == fingerprint_of("image", LITE0, shorter)
    assert fingerprint_of("text", "a/b") != fingerprint_of("text", "a/c")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = fingerprint_of("text", str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"three")
    assert fingerprint_of("text", str(tmp_path)) != before


def test_an_absent_device_falls_back_aloud(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("cuda:99").type == "cpu"
    assert "cuda:99" in caplog.text
    with pytest.raises(ValueError, match="auto, cpu"):
        choose_device("abacus")


@pytest.mark.parametrize(("room", "start", "found"), [(100, 8, 64), (5, 8, 4), (10**6, 8, 512)])
def test_the_batch_size_is_found_by_trying(room: int, start: int, found: int) -> None:
    def run(size: int) -> None:
        if size > room:
            raise torch.OutOfMemoryError("full")

    assert largest_batch(run, start, most=4096) == found


def test_no_room_for_one_is_an_error() -> None:
    def run(size: int) -> None:
        raise torch.OutOfMemoryError("full")

    with pytest.raises(torch.OutOfMemoryError):
        largest_batch(run, 4)


@pytest.mark.shared
def test_digits_are_heard_across_speakers(shared_data: Path, audio: MediaEncoder) -> None:
    files = sorted((shared_data / "spoken-digits").glob("*.wav"))
    digits = np.array([int(file.name[0]) for file in files])
    speakers = np.array([file.stem.split("_")[1] for file in files])
    features = audio.encode([decode_audio(file, LIMITS) for file in files])
    scaled = (features - features.mean(0)) / features.std(0)
    right = []
    for speaker in np.unique(speakers):
        known, asked = speakers != speaker, speakers == speaker
        centres = np.stack([scaled[known & (digits == digit)].mean(0) for digit in range(10)])
        distances = ((scaled[asked][:, None] - centres) ** 2).sum(-1)
        right.append(distances.argmin(1) == digits[asked])
    assert np.concatenate(right).mean() >= 0.34
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    likeness = unit @ unit.T - 2 * np.eye(len(unit))
    nearest = np.argsort(-likeness, axis=1)[:, :5]
    assert (digits[nearest] == digits[:, None]).mean() > 0.8
