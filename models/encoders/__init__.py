"""Encoders: text, pictures and sound to vectors, loaded by name with their weights verified.

Nothing heavy is imported here: take a loader from `models.encoders.factory` where it is used, and
`models.encoders.fingerprints` to learn whether there is anything to encode at all.
"""
