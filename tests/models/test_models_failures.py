"""What a fit ends with is told, and ends nothing else."""

import lightgbm as lgb
import numpy as np
import pytest

from models.failures import FIT_FAILURES
from models.hmdf import NothingToLearnError
from models.training import DivergedError


def test_a_fit_that_lightgbm_refuses_has_failed() -> None:
    data = lgb.Dataset(np.zeros((2, 1)), [0, 1], params={"verbosity": -1})
    with pytest.raises(FIT_FAILURES, match="query"):
        lgb.train({"objective": "lambdarank", "verbosity": -1}, data, 1)


@pytest.mark.parametrize("kind", [NothingToLearnError, DivergedError, np.linalg.LinAlgError])
def test_so_has_one_that_the_data_end(kind: type[Exception]) -> None:
    assert issubclass(kind, FIT_FAILURES)


@pytest.mark.parametrize("kind", [TypeError, AttributeError, ImportError])
def test_a_fault_of_the_code_is_none(kind: type[Exception]) -> None:
    assert not issubclass(kind, FIT_FAILURES)
