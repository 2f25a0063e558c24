"""Where images come from, whether they are sound, and the batches made of them."""
