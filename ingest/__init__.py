"""From bytes to canonical requests and minutes."""
