"""Reading and writing files: atomic writes, untrusted files, cache, archives, downloads."""
