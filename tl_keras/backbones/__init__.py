"""Pretrained networks without their top: catalogue, weights, cuts, freezing."""
