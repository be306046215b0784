"""What methods have in common whose units have auxiliary networks, and losses, of their own."""
