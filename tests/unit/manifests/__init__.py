"""What must hold of every object of every project."""
