"""The points: data sets, text and word vectors, downloads, and the draw of tuples."""
