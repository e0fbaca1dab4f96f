"""Lists that were made and still hold: who did nothing since gets the same again."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from serving.champion import Champion


@dataclass(frozen=True)
class Question:
    """All that a user's list depends on in addition to the champion.

    Attributes:
        user: a pseudonym; None for all those of whom nothing is known.
        last_event: the place in the log of the user's last event; 0 where there is none.
        wishes: what the caller asked for.
    """

    user: str | None
    last_event: int
    wishes: tuple[Hashable, ...]


class RememberedLists:
    """The lists that were asked for last, all of one champion over one catalogue.

    An event, a changed item and a promotion each make another list: the first is part of what was
    asked, the others are another champion, with which all are forgotten. Used by one thread.

    Args:
        most_bytes: of all answers; the one that was asked for longest ago is forgotten first.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._champion: Champion | None = None
        self._answers: OrderedDict[Question, bytes] = OrderedDict()
        self._bytes = 0

    @property
    def remembers(self) -> bool:
        """Whether anything is remembered at all; if not, nobody need work out a question."""
        return self._most_bytes > 0

    def recall(self, champion: Champion, question: Question) -> bytes | None:
        """What `keep` was given for the same question; None where it has to be made."""
        if champion is not self._champion:
            self._champion, self._bytes = champion, 0
            self._answers.clear()
        if question not in self._answers:
            return None
        self._answers.move_to_end(question)
        return self._answers[question]

    def keep(self, champion: Champion, question: Question, answer: bytes) -> None:
        """Remembers an answer, unless another champion has been asked since."""
        if champion is not self._champion:
            return
        self._bytes += len(answer) - len(self._answers.pop(question, b""))
        self._answers[question] = answer
        while self._bytes > self._most_bytes:
            _, forgotten = self._answers.popitem(last=False)
            self._bytes -= len(forgotten)
