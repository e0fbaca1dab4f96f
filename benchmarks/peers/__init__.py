"""Other people's libraries on our splits: runs in environments of their own, with files alone.

Nothing here may import anything of the project. Run as `python -m peers` from the folder above.
"""
