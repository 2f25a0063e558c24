"""What the frozen part of a network computes, kept on disk: it runs once per view."""
