"""Parts of a score that are no modality."""

BEHAVIOUR = "behaviour"
"""What people did, this user among them."""

POPULARITY = "popularity"
"""How much, and when, an item was chosen by anyone."""
