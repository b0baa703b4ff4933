"""Grading labs: students' code runs in a sandbox, and a process it cannot reach judges what it answers."""
