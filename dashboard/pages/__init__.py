"""One module a page; each has `register(dash, reader)`, and is found by walking."""
