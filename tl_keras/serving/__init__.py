"""A server to try an export on: TensorFlow Serving's REST paths, and a page."""
