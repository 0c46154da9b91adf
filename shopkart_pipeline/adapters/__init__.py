"""One tool per file: its output becomes domain data. Adapters do not know each other."""
