"""Whether images are sound, and which of them are the same: each file, then all."""
