"""Metrics, predictions and plots."""
