"""Work spread over processes is the same work."""

import os

import pytest

from assets.side_by_side import processes_for, side_by_side
from crossmodal.settings import Settings


def _worker(number: int) -> tuple[int, int]:
    return number, os.getpid()


def test_answers_come_in_the_order_of_their_jobs_from_other_processes() -> None:
    answers = list(side_by_side(_worker, [(number,) for number in range(6)], processes=2))

    assert [number for number, _ in answers] == [0, 1, 2, 3, 4, 5]
    assert os.getpid() not in {process for _, process in answers}


def test_one_process_is_this_one() -> None:
    assert list(side_by_side(_worker, [(7,)], processes=1)) == [(7, os.getpid())]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_fails_in_a_job_is_told_as_it_is(processes: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(divmod, [(1, 1), (1, 0)], processes))


def test_no_job_is_no_answer() -> None:
    settings = Settings(device="cpu")

    assert list(side_by_side(_worker, [], processes_for(settings, 0))) == []
