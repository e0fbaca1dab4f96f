"""The sensor that makes what its assets say should follow their inputs."""

import dagster as dg

from crossmodal.workspace import Workspace
from orchestration import defaults


def follow_inputs_sensor(workspace: Workspace) -> dg.AutomationConditionSensorDefinition:
    """Looks every minute whether embeddings or lists lag behind what they are made from."""
    return dg.AutomationConditionSensorDefinition(
        "follow_inputs",
        target=dg.AssetSelection.groups("embeddings", "recommendations"),
        minimum_interval_seconds=60,
        default_status=defaults.of_sensors(workspace.settings),
        description="Makes the embeddings again when media or items have changed, and the lists "
        f"when the model that answers or the features have. {defaults.HOW_TO_TURN_ON}",
    )
