"""Simulated nights: events of a week each night, the daemon's own schedule, random kills."""
