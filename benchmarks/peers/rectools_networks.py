"""The networks of RecTools as their authors define them; what is not set here is their default."""

from typing import Any

from rectools.models import BERT4RecModel, HSTUModel, SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet
from rectools.models.nn.transformers.ligr import LiGRLayers

_COMMON: dict[str, Any] = {
    "item_net_block_types": (IdEmbeddingsItemNet,),
    "deterministic": True,
}


def esasrec(**settings: Any) -> SASRecModel:
    """eSASRec (arXiv:2508.06450): SASRec's objective, LiGR layers, sampled softmax."""
    defaults = {"transformer_layers_type": LiGRLayers, "loss": "sampled_softmax"}
    return SASRecModel(**_COMMON, **defaults, **settings)


def hstu(**settings: Any) -> HSTUModel:
    """HSTU (arXiv:2402.17152) with relative positions, and with relative times unless refused."""
    return HSTUModel(**_COMMON, **settings)


def bert4rec(**settings: Any) -> BERT4RecModel:
    """BERT4Rec (arXiv:1904.06690): masked items, attention in both directions."""
    return BERT4RecModel(**_COMMON, **settings)
