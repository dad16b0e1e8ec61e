"""``crl evaluate``: score a finished run again, or an encoder that was not trained here."""

from pathlib import Path

from crl.cli.console import say
from crl.cli.tables import show
from crl.experiments.config.compose import compose_config
from crl.experiments.config.quoting import quoted
from crl.experiments.errors import ConfigError

USAGE = """crl evaluate RUN_DIR [OPTION=VALUE ...]
crl evaluate features=FILE [OPTION=VALUE ...]
crl evaluate encoder=torchvision:MODEL dataset=NAME [OPTION=VALUE ...]

Scores the encoder of a finished run again, or any frozen encoder.

With RUN_DIR: prints the table and stores the scores under RUN_DIR/evaluations/. The run itself
stays unchanged.

  evaluation.*                tasks, classifiers and so on: crl train --help evaluation
  dataset.root=PATH           where the data are now, if they have moved
  runtime.*                   device, threads and so on: crl train --help runtime

Without RUN_DIR: scores a frozen encoder in the same way as one trained by crl (TR, mu, mu-5, AVG-k,
TOP-R, and the theory's quantities and bounds at objective.block_size, objective.negatives and
objective.loss). Leaves a run folder for crl report, crl compare and crl geometry. This is the same
as crl train objective=frozen, and takes all its options.

  features=FILE               NPZ or safetensors file with train_features [n, d], train_labels [n]
                              (whole numbers, bools or strings), test_features, test_labels and
                              optionally dev_features, dev_labels; features may be [n, T, d] for T
                              tokens per point; nothing in the file is executed
  encoder=torchvision:MODEL   a torchvision classifier without its last layer, on images
    encoder.weights=          download (torchvision's weights), random, a file (.pt, .safetensors)
    encoder.image_size=224    images are resized to this many pixels per side
  encoder=installed:NAME      an encoder that an installed package offers as an entry point of the
                              group crl.encoders
  evaluation.attentive=true   adds a probe with one layer of cross-attention over patches or tokens

Examples
  crl evaluate outputs/runs/glyphs-.../seed0 'evaluation.ks=[2,3,10]' 'evaluation.tops=[1,10]'
  crl evaluate outputs/runs/cifar100-.../seed0 dataset.root=/another/copy evaluation.shots=1
  crl evaluate features=my_features.npz objective.negatives=10
  crl evaluate encoder=torchvision:resnet18 dataset=cifar100 encoder.image_size=64
"""


def run(arguments: list[str]) -> None:
    """Evaluate the run in the first argument, or the encoder that the arguments describe."""
    command = ["crl", "evaluate", *arguments]
    if not arguments or ("=" in arguments[0] and not Path(arguments[0]).is_dir()):
        config = compose_config(_train_options(arguments))  # before the slow import of torch

        from crl.experiments.run import run as run_experiment

        result = run_experiment(config, command, say)
    else:
        from crl.experiments.reopen import evaluate_again

        config, result = evaluate_again(arguments[0], arguments[1:], command, say)
    show(config, result)


def _train_options(arguments: list[str]) -> list[str]:
    """Translate the arguments into those of ``crl train`` for a frozen encoder."""
    if not any(argument.startswith(("features=", "encoder=")) for argument in arguments):
        raise ConfigError(
            "crl evaluate needs a run folder as its first argument (crl evaluate RUN_DIR), "
            "features=FILE or encoder=torchvision:MODEL"
        )
    if any(argument.startswith("objective=") for argument in arguments):
        raise ConfigError("objective: crl evaluate does not train; use crl train")
    options = []
    for argument in arguments:
        if argument.startswith("features="):
            file = argument.removeprefix("features=")
            options += ["dataset=features", f"dataset.root={quoted(file)}"]
        else:
            options.append(argument)
    return [*options, "objective=frozen"]
