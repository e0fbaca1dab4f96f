"""Media, encoders, alignment, fusion models and their evaluation: no asset, no store."""
