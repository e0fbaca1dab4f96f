"""From media to vectors: inspect, encode, align, and one embeddings table a modality."""
