"""HiDream-I1 draws and HiDream-E1 edits: variants, weights, text encoders, loops and the engine."""
