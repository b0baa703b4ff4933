"""What runs inside the sandbox, beside a student's code, and is not trusted once that code has run."""
