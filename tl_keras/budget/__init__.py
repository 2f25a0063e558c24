"""A run that ends by a given time: what it costs here, and what is left out."""
