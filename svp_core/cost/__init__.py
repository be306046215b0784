"""What a training step costs: memory and FLOPs without computing, time and energy by doing it."""
