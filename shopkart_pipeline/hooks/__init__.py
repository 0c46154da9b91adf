"""The HTTP door: who knocks, is it signed, is it on disk. What a delivery means is decided elsewhere."""
