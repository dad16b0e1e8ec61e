"""Classifiers on features, accuracy over tasks, and other measures of features."""
