"""The method of Arora et al. (ICML 2019) on tensors: losses, encoders, scoring, theory.

It knows no data set, no file and no configuration. Import what you need from its module:

- ``from crl.losses.contrastive import contrastive_loss``
- ``from crl.losses.pooled import pooled_contrastive_loss``
- ``from crl.scoring.task_accuracy import average_k_way_accuracy, ranks``
- ``from crl.theory.bounds import theory_report``

Packages with data sets, encoders and objectives of their own import from ``crl.extending``.
"""

import sys
from pathlib import Path

if not all((Path(__file__).parent / room).is_dir() for room in ("cli", "data", "experiments")):
    print(
        f"crl: {Path(__file__).parent}/cli, configs, data and experiments must be links to the "
        "folders beside it; copy or unpack the project with a tool that keeps links, "
        "such as git clone",
        file=sys.stderr,
    )
    raise SystemExit(2)
