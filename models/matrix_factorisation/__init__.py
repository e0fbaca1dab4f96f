"""Matrix factorisation on ratings: the baseline that the field's tutorials start from."""

from models.matrix_factorisation.config import MatrixFactorisationConfig
from models.matrix_factorisation.model import MatrixFactorisation

__all__ = ["MatrixFactorisation", "MatrixFactorisationConfig"]
