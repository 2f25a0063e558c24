"""The commands of `tl-keras`, one subject a file: what each takes and does."""
