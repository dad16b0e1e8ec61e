"""From text to sentences, word ids and word vectors."""
