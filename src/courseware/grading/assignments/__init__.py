"""What each lab asks for: exercises with their points, the inputs drawn for them, and references."""
