"""The user's own Parquet or CSV, mapped in a YAML file."""
