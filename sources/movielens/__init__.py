"""MovieLens in all its published layouts, from a folder, a zip or the network."""
