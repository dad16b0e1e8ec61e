"""Files: atomic writes, text from anybody, the cache, archives, downloads."""
