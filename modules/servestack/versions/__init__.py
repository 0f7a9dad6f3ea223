"""A version's life: its history in git, its way to the next environment, and its way back."""
