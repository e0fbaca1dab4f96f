"""Dagster definitions, jobs, schedule and checks, and the command line."""
