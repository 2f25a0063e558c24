"""Builders of networks, one paper's family a file."""
