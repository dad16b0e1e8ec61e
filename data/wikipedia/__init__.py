"""Data of Wiki-3029's kind from a Wikipedia dump."""
