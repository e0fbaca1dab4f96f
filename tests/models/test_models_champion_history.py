"""The champion's history: who decided what, what holds, and where a way back leads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from test_models_registry import add

from models.champion_history import (
    HISTORY,
    UNRECORDED,
    HistoryError,
    Promotions,
    champions_since,
)
from models.registry import ModelRegistry, UnknownVersionError

START = datetime(2026, 1, 1, tzinfo=UTC)


class Days:
    """A clock that moves on by a day at every look."""

    def __init__(self) -> None:
        self._looks = 0

    def __call__(self) -> datetime:
        self._looks += 1
        return START + timedelta(days=self._looks)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.fixture
def promotions(registry: ModelRegistry) -> Promotions:
    return Promotions(registry, Days())


def versions(registry: ModelRegistry, n: int) -> list[str]:
    return [add(registry, data=str(number)).version for number in range(n)]


def test_before_the_first_promotion_there_is_nothing(promotions: Promotions) -> None:
    assert promotions.history() == () == promotions.former()
    assert promotions.current() is None and promotions.held_against("any") is None


def test_a_promotion_is_kept_with_its_reason_and_time(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    first, second = versions(registry, 2)
    promotions.promote(first, by="gate", reason="It is the first champion.")
    made = promotions.promote(second, by="hand", reason="better lists")
    assert registry.champion() == second
    assert promotions.current() == made == Promotions(registry).history()[-1]
    assert (made.by, made.kind, made.reason) == ("hand", "promotion", "better lists")
    assert made.judged_by == second and made.at == START + timedelta(days=2)
    assert [entry.version for entry in promotions.history()] == [first, second]


def test_what_answers_already_stays_as_it_is(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    (only,) = versions(registry, 1)
    made = promotions.promote(only, by="hand", reason="mine")
    assert promotions.promote(only, by="gate", reason="the gate's") == made
    assert promotions.history() == (made,)


def test_what_is_no_version_changes_nothing(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    (only,) = versions(registry, 1)
    promotions.promote(only, by="gate", reason="first")
    with pytest.raises(UnknownVersionError):
        promotions.promote("nothing", by="hand", reason="a typing error")
    assert registry.champion() == only and len(promotions.history()) == 1


def test_a_hand_holds_against_what_there_was_and_not_against_what_is_made_later(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    first, second = versions(registry, 2)
    promotions.promote(first, by="gate", reason="first")
    promotions.promote(second, by="gate", reason="better")
    assert promotions.held_against(second) is None
    back = promotions.promote(first, by="hand", reason="odd lists", kind="rollback")
    assert promotions.held_against(second) == back
    later = add(registry, data="later").version
    assert promotions.held_against(later) is None
    promotions.promote(later, by="gate", reason="earned")
    assert promotions.held_against(second) is None


def test_a_way_back_leads_further_back_and_never_forward_again(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    a, b, c, d = versions(registry, 4)
    for version in (a, b, c):
        promotions.promote(version, by="gate", reason="better")
    assert promotions.former() == (b, a)
    promotions.promote(b, by="hand", reason="odd", kind="rollback")
    assert promotions.former() == (a,)
    promotions.promote(a, by="hand", reason="odd too", kind="rollback")
    assert promotions.former() == ()
    promotions.promote(d, by="gate", reason="new")
    assert promotions.former() == (a,)
    promotions.promote(c, by="hand", reason="after all")
    assert promotions.former() == (d, a)


def test_a_champion_from_before_the_history_is_one_that_can_be_returned_to(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    old, new = versions(registry, 2)
    registry.promote(old)
    current = promotions.current()
    assert current is not None and current.version == old and UNRECORDED in current.reason
    promotions.promote(new, by="gate", reason="better")
    assert promotions.former() == (old,)
    assert [entry.version for entry in Promotions(registry).history()] == [old, new]


def test_an_entry_whose_writer_was_killed_before_the_champion_changed_does_not_count(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    a, b, c = versions(registry, 3)
    promotions.promote(a, by="gate", reason="first")
    promotions.promote(b, by="hand", reason="killed on the way")
    # As a kill between the two files leaves it.
    registry.promote(a)
    current = promotions.current()
    assert current is not None and (current.version, current.reason) == (a, "first")
    promotions.promote(c, by="gate", reason="next")
    assert [entry.version for entry in promotions.history()] == [a, c]


def test_a_damaged_history_is_named_with_the_way_out(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    first, second = versions(registry, 2)
    promotions.promote(first, by="gate", reason="first")
    (registry.root / HISTORY).write_bytes(b'{"version": "half')
    with pytest.raises(HistoryError, match=r"history\.jsonl cannot be read: .*move it away"):
        promotions.promote(second, by="gate", reason="better")
    assert registry.champion() == first


def test_a_damaged_name_of_the_champion_is_named_with_the_way_out(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    first, second = versions(registry, 2)
    promotions.promote(first, by="gate", reason="first")
    (registry.root / "champion").write_bytes(b"\xff\xfe")
    with pytest.raises(HistoryError, match=r"champion cannot be read .*: write the name"):
        promotions.promote(second, by="hand", reason="better")
    (registry.root / "champion").write_text(first)
    assert promotions.former() == ()
    promotions.promote(second, by="hand", reason="better")
    assert promotions.former() == (first,)


def test_champions_since_an_instant_are_those_that_answered_after_it(
    registry: ModelRegistry, promotions: Promotions
) -> None:
    a, b, c = versions(registry, 3)
    for version in (a, b, c):
        promotions.promote(version, by="gate", reason="better")
    history = promotions.history()
    assert champions_since(history, START) == {a, b, c}
    assert champions_since(history, START + timedelta(days=2, hours=1)) == {b, c}
    assert champions_since(history, START + timedelta(days=90)) == {c}
    assert champions_since((), START) == frozenset()
