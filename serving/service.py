"""Everything an answer is made of, opened and closed together."""

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from crossmodal.event_log import EventLog
from crossmodal.pseudonyms import load_key, pseudonym
from crossmodal.workspace import Workspace
from models.data import Floats
from serving.champion import Champion, ChampionWatch
from serving.feast_features import OnlineFeatures
from serving.histories import UserState, user_state
from serving.metrics import Metrics

if TYPE_CHECKING:
    from models.encoders.protocol import TextEncoder

_log = logging.getLogger(__name__)


class Service:
    """What the routes ask.

    Args:
        workspace: whose champion, features and lake it serves.

    Attributes:
        metrics: of this process.
        champions: the model in use.
        events: what apps reported.
        features: Feast's online store.
    """

    def __init__(self, workspace: Workspace) -> None:
        settings, paths = workspace.settings, workspace.paths
        configured = settings.id_key.get_secret_value() if settings.id_key else None
        self._workspace = workspace
        self._key = load_key(configured, paths.id_key)
        self.metrics = Metrics()
        self._measured: str | None = None
        self.events = EventLog(paths.event_log, settings.serve_waiting_batches)
        self.features = OnlineFeatures(paths)
        self.champions = ChampionWatch(workspace, self._took_over, self.metrics.refused.inc)

    def start(self) -> None:
        """Loads what the first answer needs."""
        self.champions.start()
        _log.info("Texts are encoded on the %s.", self.text_encoder.device)
        if self.features.ready():
            # Feast takes seconds to import, which the first caller should not wait for.
            self.features.services()

    def stop(self) -> None:
        """Writes what waits and lets go of everything."""
        self.champions.stop()
        self.events.close()
        self.features.close()

    def pseudonym(self, user_id: str) -> str:
        """What the platform calls a user."""
        return pseudonym(user_id, self._key)

    def state_of(self, champion: Champion, user_id: str) -> UserState:
        """What a user did, up to the event that was acknowledged last."""
        name = self.pseudonym(user_id)
        with self.metrics.stage("user state"):
            return user_state(champion, name, self.events.of_user(name))

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

    def _took_over(self, champion: Champion) -> None:
        if self._measured is not None:
            self.metrics.champion.remove(self._measured)
        self._measured = champion.version
        self.metrics.champion.labels(champion.version).set(champion.loaded_at.timestamp())
