"""Other people's libraries on our splits: runs in an environment of its own, with files alone.

Nothing here may import anything of the project. Run as `python -m peers` from the folder above.
"""
