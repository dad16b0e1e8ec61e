"""``crl evaluate``: score a finished run again, or an encoder that was never trained here."""

from pathlib import Path

from cli.console import say, say_warnings
from experiments.errors import ConfigError

USAGE = """crl evaluate RUN_DIR [OPTION=VALUE ...]
crl evaluate features=FILE [OPTION=VALUE ...]
crl evaluate encoder=torchvision:MODEL dataset=NAME [OPTION=VALUE ...]

With a RUN_DIR: scores the encoder of a finished run again, prints the table and keeps it under RUN_DIR/evaluations/.
The run itself is not changed. What can be overridden: evaluation.*, dataset.root, runtime.*

Without one: scores anybody's frozen encoder as crl scores its own (TR, mu, mu-5, AVG-k, TOP-R, and the theory's
quantities and bounds at objective.block_size, objective.negatives and objective.loss), and leaves a run folder that
crl report, crl compare and crl geometry read. It is the same as crl train objective=frozen.
features=FILE               NPZ or safetensors: train_features [n, d], train_labels [n] (whole numbers from 0), test_... and,
                            if you like, dev_...; [n, T, d] for T tokens a point; nothing in the file is executed
encoder=torchvision:MODEL   a classifier of torchvision without its last layer, on a data set of images
   encoder.weights=         download (torchvision's own), random, or a file that holds a state dict
   encoder.image_size=224   pixels a side to which images are resized
encoder=installed:NAME      what an installed package offers as an entry point of the group crl.encoders
evaluation.attentive=true   beside the linear classifier a probe with one layer of cross-attention over patches or tokens

Examples
  crl evaluate outputs/runs/glyphs-.../seed0 'evaluation.ks=[2,3,10]' 'evaluation.tops=[1,10]'
  crl evaluate outputs/runs/cifar100-.../seed0 dataset.root=/another/copy evaluation.shots=1
  crl evaluate features=my_features.npz objective.negatives=10
  crl evaluate encoder=torchvision:resnet18 dataset=cifar100 encoder.weights=random encoder.image_size=64
"""


def run(arguments: list[str]) -> None:
    """Evaluate the run in the first argument under the overrides in the others, or the encoder that
    they describe."""
    from cli.result_table import result_table, summary

    if not arguments:
        raise ConfigError(
            "crl evaluate takes a run folder (crl evaluate RUN_DIR), features=FILE or encoder=torchvision:NAME"
        )
    if "=" in arguments[0] and not Path(arguments[0]).is_dir():
        from experiments.config.compose import compose_config

        config = compose_config(_frozen(arguments))

        from experiments.run import run as run_experiment

        result = run_experiment(config, ["crl", "evaluate", *arguments], say)
    else:
        from experiments.reopen import evaluate_again

        config, result = evaluate_again(
            arguments[0], arguments[1:], ["crl", "evaluate", *arguments], say
        )
    print(f"\n{summary(config, result)}\n\n{result_table(config, result)}")
    say_warnings(result)


def _frozen(arguments: list[str]) -> list[str]:
    """The options of crl train for an encoder as it is."""
    from experiments.config.compose import quoted

    found = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        found += (
            ["dataset=features", f"dataset.root={quoted(value)}"]
            if name == "features"
            else [argument]
        )
    if not any(argument.startswith(("features=", "encoder=")) for argument in arguments):
        raise ConfigError(
            f"{arguments[0]}: crl evaluate takes a run folder first, or features=FILE or encoder=... (--help)"
        )
    if any(argument.startswith("objective=") for argument in arguments):
        raise ConfigError("objective: crl evaluate trains nothing; crl train does")
    return [*found, "objective=frozen"]


def help_text() -> str:
    """What can be typed behind ``crl evaluate``."""
    return USAGE
