"""What a step of a method depends on, by perturbation, and what it keeps alive, by hooks."""
