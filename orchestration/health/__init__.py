"""Is all well in a home: what is known of it, what must be done, and who gets an alert."""
