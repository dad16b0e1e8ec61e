"""Where points come from: data sets as in-memory splits, text and word vectors, sampling of similar
and negative points."""
