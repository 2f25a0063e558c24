"""What runs a frozen network: the fastest of several ways, and proven equal."""
