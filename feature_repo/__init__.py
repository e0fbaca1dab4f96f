"""The feature store: Feast definitions, point-in-time builders, and safe writes to both stores.

The folder is a Feast repo. Feast reads `definitions.py` alone (see `.feastignore`), which names
the objects of `entities`, `data_sources`, `views` and `services`; everything else is the library
that the pipeline and the apps call.
"""
