"""What is wrong with the files of a model version, by a look that does not read its weights."""

import json
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from models.persistence import CONFIG
from models.registry import MANIFEST, VOCABULARY, ModelRegistry, UnknownVersionError


def fault_of(registry: ModelRegistry, version: str) -> str:
    """Why a version cannot answer, a sentence; empty where nothing speaks against it.

    JSON is read. Of weights, the header and the size are, which shows every cut;
    `models.registry.is_whole` compares all bytes.

    Raises:
        OSError: the system does not let a file be read.
    """
    try:
        lacking = registry.lacking(version)
    except UnknownVersionError:
        return f"{registry.root} holds no version {version}."
    folder = registry.root / version
    if lacking:
        return f"{folder} lacks {', '.join(lacking)}."
    return next(_faults_in(folder), "")


def _faults_in(folder: Path) -> Iterator[str]:
    texts = [folder / name for name in (MANIFEST, CONFIG, VOCABULARY)]
    for path in (*texts, *sorted(folder.rglob("*.safetensors"))):
        try:
            if path in texts:
                json.loads(path.read_bytes())
            else:
                with safe_open(path, "numpy"):
                    pass
        except (SafetensorError, ValueError) as error:
            yield f"{path} is damaged ({error})."
