"""Gradient-boosted trees that answer fast, and say exactly what each feature added."""

from models.trees.layout import UnsupportedTreesError
from models.trees.scoring import CompiledTrees, LightGBMTrees, Trees, of_boosters
from models.trees.shap import grouped

__all__ = [
    "CompiledTrees",
    "LightGBMTrees",
    "Trees",
    "UnsupportedTreesError",
    "grouped",
    "of_boosters",
]
