"""One module a command; its `command` is found by its file's name (`_` reads `-`)."""
