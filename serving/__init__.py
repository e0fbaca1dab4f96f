"""The online service: an app asks and is answered, and an event changes the next answer."""
