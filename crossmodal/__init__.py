"""Settings, state paths and the lake: what every folder of the project may import."""
