"""What must hold before a table is built upon."""

import dagster as dg

asset_checks: list[dg.AssetChecksDefinition] = []
