"""The method of Arora et al. (ICML 2019) on plain tensors: objectives, encoders, classifiers,
averages over tasks.

Knows no data set, no file and no configuration, so that others can import it:
``from crl.losses.contrastive import contrastive_loss``.
"""
