"""The first lists of a champion, made before anybody waits for one."""

import logging

import numpy as np

from models.data import Histories
from serving.champion import Champion
from serving.making import ListInMaking
from serving.stages import FAILURES

_log = logging.getLogger(__name__)
_LENGTH, _DIVERSITY = 20, 0.3


def rehearse(champion: Champion) -> None:
    """Makes a list for nobody and one for a user of the lake, and throws them away.

    What is compiled, mapped or laid out at its first use takes longer than a stage may.
    """
    histories = [Histories.empty()]
    if len(champion.log.user_ids):
        histories.append(Histories.of(champion.log.events, np.zeros(1, dtype=np.int32)))
    for history in histories:
        making = ListInMaking(champion, champion.listed, _LENGTH, _DIVERSITY)
        making.know(history, history.items)
        try:
            for step in making.steps():
                step.keep(step.find())
        except FAILURES:
            _log.exception("%s could not make its first list.", champion.version)
