"""Everything that asks AWS: sessions, what each call costs, and the readers of inventory, metrics, traces, changes."""
