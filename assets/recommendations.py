"""From the champion to lists that an app can look up."""

NEW_USER = "new_user"
"""The key under which the list for someone without history is stored."""
