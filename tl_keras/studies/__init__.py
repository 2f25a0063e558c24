"""Many trainings of one kind, to learn more than one run can tell."""
