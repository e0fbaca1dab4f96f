"""What must hold before a table is built upon."""

import dagster as dg

from crossmodal.workspace import Workspace

asset_checks: list[dg.AssetChecksDefinition] = []
