"""How far what comes in now differs from what came in before, and what chance alone would do."""
