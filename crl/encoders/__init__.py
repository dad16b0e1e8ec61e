"""The encoders, a file each.

An encoder is an ``nn.Module``. Its forward maps a batch to features [m, dimension]. Its constructor
takes ``dimension``, its options by name, and what its input needs:

- images: the batch is uint8 [m, 3, H, W]. The constructor also takes ``mean`` and ``std``, 3 floats
  each in [0, 1].
- sentences: the batch is int64 word ids [m, L], 0 after the end of a sentence. The constructor also
  takes the word vectors ``vectors`` [V, e]: row 0 is the padding's, row 1 that of unknown words.
- features: the batch is float32 [m, d], or [m, T, d] for T tokens of each point.

An encoder with several vectors for a point has a method ``tokens``: batch -> [m, T, d]. Attentive
probes read them.
"""
