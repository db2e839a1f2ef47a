"""The networks of the papers: backbones, representations, decoders, and the rows of their tables."""
