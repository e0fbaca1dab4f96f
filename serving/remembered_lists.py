"""Lists that were made and still hold: one who did nothing since is told the same again."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from serving.champion import Champion


@dataclass(frozen=True)
class Question:
    """All that a user's list depends on beside the champion.

    Attributes:
        user: a pseudonym.
        last_event: the place in the log of the user's last event; 0 where there is none.
        wishes: what the caller asked for.
    """

    user: str
    last_event: int
    wishes: tuple[Hashable, ...]


class RememberedLists:
    """The lists that were asked for last, all of one champion over one catalogue.

    An event, a changed item and a promotion each make another list: the first is part of what was
    asked, the others are another champion, with which all are forgotten. Used by one thread.

    Args:
        most: lists that are kept; the one that was asked for longest ago goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._champion: Champion | None = None
        self._answers: OrderedDict[Question, str] = OrderedDict()

    def recall(self, champion: Champion, question: Question) -> str | None:
        """What `keep` was given for the same question; None where it has to be made."""
        if champion is not self._champion or question not in self._answers:
            return None
        self._answers.move_to_end(question)
        return self._answers[question]

    def keep(self, champion: Champion, question: Question, answer: str) -> None:
        """Remembers an answer."""
        if champion is not self._champion:
            self._champion = champion
            self._answers.clear()
        self._answers[question] = answer
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)
