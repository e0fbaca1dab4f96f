"""Media, encoders, alignment, fusion models and their evaluation: torch and numpy only."""
