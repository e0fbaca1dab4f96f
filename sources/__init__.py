"""What comes in: one protocol over the sample, MovieLens and the user's own tables."""
