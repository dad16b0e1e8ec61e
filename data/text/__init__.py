"""From text to word ids, sentences and word vectors."""
