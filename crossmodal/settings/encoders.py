"""How items become vectors."""

from typing import Literal

from pydantic import BaseModel, Field


class EncoderSettings(BaseModel):
    """The encoders, and how their spaces are made one."""

    text_encoder: str = Field(
        default="minilm",
        description="minilm (installed, no network), or any sentence-transformers model name or "
        "folder.",
    )
    image_encoder: str = Field(
        default="efficientnet-lite0",
        description="efficientnet-lite0 (installed, no network), or MODEL/PRETRAINED of open_clip.",
    )
    audio_encoder: str = Field(
        default="logmel",
        description="logmel (no weights), a torchaudio bundle such as WAV2VEC2_BASE, "
        "or a local folder of such a model.",
    )
    alignment: Literal["auto", "ridge", "contrastive"] = Field(
        default="auto",
        description="How a tower is mapped into the text space: ridge, contrastive, or auto, which "
        "keeps the one that does better on held-out items.",
    )

    embedding_batch: int = Field(default=64, ge=1, description="Items encoded at once on a CPU.")
