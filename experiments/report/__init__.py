"""The report on finished runs: claims, tables, figures, page."""
