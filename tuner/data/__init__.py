"""Data: read, divided into splits, labels encoded, texts and sequences turned into what trials read."""
