"""The page that shows a person what a check found."""
