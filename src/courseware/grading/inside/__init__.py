"""The part of the course that is visible inside the sandbox, there as the top-level package `inside`."""
