"""The page that shows a person how good a classifier is, and how it was made."""
