"""Which class loads which family of model."""

from collections.abc import Mapping

from models.baselines import Content, Popularity, RandomRanking
from models.matrix_factorisation import MatrixFactorisation
from models.mmnn import MMNN
from models.protocol import Recommender

FAMILIES: Mapping[str, type[Recommender]] = {
    "content": Content,
    "matrix_factorisation": MatrixFactorisation,
    "mmnn": MMNN,
    "popularity": Popularity,
    "random": RandomRanking,
}
