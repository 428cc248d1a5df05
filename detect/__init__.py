"""From closed minutes to findings."""
