"""SavedModels: written, re-run in a fresh process and compared."""
