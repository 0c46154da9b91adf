"""The `shopkart` command: arguments in, tables and progress out. Nothing is decided here."""
