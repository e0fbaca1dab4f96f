"""Everything an answer is made of, opened and closed together."""

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from crossmodal.event_log import UNDONE, EventLog
from crossmodal.item_log import ItemLog
from crossmodal.pseudonyms import pseudonym
from crossmodal.workspace import Workspace
from models.data import Floats, Ints
from serving.champion import Champion, ChampionWatch
from serving.feast_features import OnlineFeatures
from serving.histories import UserState, user_state
from serving.item_words import Said, said_of
from serving.live_choices import LiveChoices
from serving.metrics import Metrics
from serving.new_items import NewItems
from serving.rehearsal import rehearse
from serving.remembered_lists import RememberedLists
from serving.shared_space import SharedSpace
from serving.stages import Stages, budgets_of
from serving.uploads import Uploads

if TYPE_CHECKING:
    from models.encoders.protocol import TextEncoder

_log = logging.getLogger(__name__)

_STORED_LISTS, _STORED_ITEMS = "recommendations", "user_recommendations__item_ids"
_STORED_VERSION = "user_recommendations__model_version"


class Service:
    """What the routes ask.

    Args:
        workspace: whose champion, features and lake it serves.
        metrics: where it tells how it is.

    Attributes:
        metrics: of this process.
        champions: the model in use.
        events: what apps reported.
        features: Feast's online store.
        stages: walk through what an answer is made of.
        state_stages: the same for what a user did.
        feature_stages: the same for what Feast is asked.
        lists: those that were made last.
        choices: what users wanted, or undid, since the last run.
        items: what apps put into the catalogue.
        new_items: lays it over the model in use.
        uploads: reads pictures and sounds.
    """

    def __init__(self, workspace: Workspace, metrics: Metrics) -> None:
        settings, paths = workspace.settings, workspace.paths
        self._workspace = workspace
        self._key = workspace.key_of_users()
        self.metrics = metrics
        self.events = EventLog(paths.event_log, settings.serve_waiting_batches)
        self.features = OnlineFeatures(paths)
        self.stages = Stages(budgets_of(settings), self.metrics)
        # Of their own: while rankings hang, what users hid must still be known.
        self.state_stages = Stages(budgets_of(settings), self.metrics, "states", threads=2)
        # Of their own: Feast answers one at a time, and a list should not wait for its turn.
        self.feature_stages = Stages(budgets_of(settings), self.metrics, "features", threads=1)
        self.lists = RememberedLists(settings.serve_remembered_bytes)
        self.choices = LiveChoices(self.events)
        self.items = ItemLog(paths.item_log, paths.uploads)
        self.new_items = NewItems(workspace, self.items)
        self.uploads = Uploads(workspace)
        self.champions = ChampionWatch(workspace, self._took_over, self.metrics.refused.inc)

    def start(self) -> None:
        """Loads what the first answer needs."""
        self.champions.start()
        _log.info("Texts are encoded on the %s.", self.text_encoder.device)
        self.uploads.start()
        if self.features.ready():
            # Feast takes seconds to import, which the first caller should not wait for.
            self.features.services()

    def stop(self) -> None:
        """Writes what waits and lets go of everything."""
        self.champions.stop()
        self.stages.close()
        self.state_stages.close()
        self.feature_stages.close()
        self.uploads.stop()
        self.events.close()
        self.items.close()
        self.features.close()

    def champion_at_hand(self) -> Champion | None:
        """What `champion` answers, where that takes no work; else None.

        Raises:
            NoChampionError: as for `champion`.
        """
        return self.new_items.at_hand(self.champions.current)

    def champion(self) -> Champion:
        """The model of this instant over the catalogue of this instant: take it once per request.

        Raises:
            NoChampionError: none could be loaded yet, or new items cannot be read.
        """
        return self.new_items.over(self.champions.current)

    def space(self) -> SharedSpace:
        """The shared space in which the items of this instant lie.

        Raises:
            NoChampionError: as for `champion`.
        """
        return self.new_items.space(self.champions.current)

    def pseudonym(self, user_id: str) -> str:
        """What the platform calls a user."""
        return pseudonym(user_id, self._key)

    def state_of(self, champion: Champion, user_id: str) -> UserState:
        """What a user did, up to the event that was acknowledged last."""
        name = self.pseudonym(user_id)
        acts = self.events.acts_of_user(name)
        if any(act.event_type == UNDONE for act in acts):
            # What was undone before the last run is no part of its lake, where others may look
            # like it: events of the source's own files.
            since = self.choices.of(champion).undone
            acts = [
                act
                for act in acts
                if act.event_type != UNDONE or (act.item_id, act.event_timestamp) in since
            ]
        return user_state(champion, name, acts)

    def last_event_of(self, user_id: str) -> int:
        """The place in the log of the event of a user that was acknowledged last; 0 for none."""
        return self.events.last_of_user(self.pseudonym(user_id))

    def lake_state_of(self, champion: Champion, user_id: str) -> UserState:
        """What a user did, as far as the lake knew when the champion was loaded."""
        return user_state(champion, self.pseudonym(user_id), ())

    def stored_list_of(self, champion: Champion, user_id: str) -> Ints:
        """Dense indexes of the list that the last run made for a user, best first.

        Another champion's list is none: somebody may have returned to this one because of it.

        Raises:
            NotAppliedError: there is no online store.
        """
        columns = self.features.look_up(_STORED_LISTS, {"user_id": [self.pseudonym(user_id)]})
        own = columns[_STORED_VERSION][0] == champion.version
        return champion.log.item_ids.indexes((own and columns[_STORED_ITEMS][0]) or ())

    def said_of(self, item_id: str) -> Said:
        """What the lake and apps say of an item of the catalogue, as far as no list needs it.

        Raises:
            OSError: the lake cannot be read, as for others of `serving.champion.UNUSABLE`.
        """
        return said_of(self._workspace.lake, self.new_items.description(item_id), item_id)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (n, 384) of texts in the shared space."""
        with self.metrics.stage("text encoder"):
            return self.text_encoder.encode(texts)

    @cached_property
    def text_encoder(self) -> "TextEncoder":
        """The encoder of the catalogue's texts, loaded once."""
        from models.encoders.device import choose_device
        from models.encoders.factory import load_text_encoder

        settings = self._workspace.settings
        return load_text_encoder(
            settings.text_encoder,
            weights=self._workspace.paths.weights,
            device=choose_device(settings.device),
        )

    def measure(self) -> None:
        """Tells the figures that only a look at the files gives."""
        self.metrics.waiting.set(self.events.waiting())
        self.metrics.features_made.set(self.features.made_at())

    def _took_over(self, champion: Champion) -> None:
        rehearse(champion)
        self.choices.of(champion)
        self.metrics.answers_with(champion.version, champion.trained_at)
