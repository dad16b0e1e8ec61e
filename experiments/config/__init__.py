"""The configuration: its typed options, composing and checking it, and what it names."""
