"""Statistics: one idea a file. They score; they neither explain nor decide."""
