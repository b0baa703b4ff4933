"""Grading of labs: untrusted notebooks in, a gradebook out."""
