"""The two phases and what they share: prefix cache, head, loop, checkpoints."""
