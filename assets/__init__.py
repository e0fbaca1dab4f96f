"""The lineage: one module a stage, each asset a thin call into sources, models or feature_repo."""
