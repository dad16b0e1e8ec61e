"""Two points through a new encoder, before anything is trained: what it cannot do shows here."""

import torch
from torch import Tensor, nn

from crl.data.dataset import Split
from crl.encoders.failures import first_line
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError, is_out_of_memory


def check_encoder(config: Config, encoder: nn.Module, train: Split, dataset: str) -> None:
    """Let the encoder read two points, in evaluation mode and as it will be trained.

    Weights, buffers and random numbers stay as they are. Raises ConfigError if it fails, or if its
    output is not a finite tensor of features [2, d] that training can change.
    """
    points = train.points.gather(torch.arange(2))
    name = f"encoder={config.encoder.name}"

    def features(training: bool) -> Tensor:
        try:
            output = encoder.train(training)(points.clone())
        except Exception as error:  # an encoder of another package may raise anything
            if is_out_of_memory(error):
                raise
            raise ConfigError(
                f"{name} cannot read dataset={dataset}{_in(training)} ({first_line(error)})"
            ) from error
        if fault := _fault(output, (len(points), None)):
            raise ConfigError(f"{name} gives {fault}{_in(training)}; features [m, d] are wanted")
        return output

    with torch.random.fork_rng(devices=[]):
        with torch.no_grad():
            width = features(training=False).shape[1]
            _check_tokens(config, encoder, points, name)
        wanted = config.encoder.dimension * config.objective.encoders  # 0: whatever it has
        if wanted not in (0, width):
            raise ConfigError(f"{name} gives {width} features; encoder.dimension makes it {wanted}")
        if config.objective.trains:
            buffers = {key: value.clone() for key, value in encoder.named_buffers()}
            trained = features(training=True)
            with torch.no_grad():
                for key, value in encoder.named_buffers():
                    value.copy_(buffers[key])
            if trained.shape[1] != width:
                raise ConfigError(
                    f"{name} gives {trained.shape[1]} features in training and {width} in "
                    "evaluation; one number is wanted"
                )
            if not (trained.requires_grad or config.objective.reads_labels):
                raise ConfigError(
                    f"{name} gives features that no weight can change: nothing would be trained; "
                    "use objective=frozen"
                )


def _check_tokens(config: Config, encoder: nn.Module, points: Tensor, name: str) -> None:
    """Check the tokens of two points if a probe is to read them."""
    if not config.evaluation.attentive or not hasattr(encoder, "tokens"):
        return
    try:
        tokens = encoder.tokens(points)  # type: ignore[operator]
    except Exception as error:
        raise ConfigError(f"evaluation.attentive: {name}: {first_line(error)}") from error
    if fault := _fault(tokens, (len(points), None, None)):
        raise ConfigError(
            f"evaluation.attentive: {name} gives {fault}; tokens [m, T, d] are wanted"
        )


def _fault(output: object, shape: tuple[int | None, ...]) -> str | None:
    """What an encoder gives instead of a finite tensor of this shape; None: any size."""
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    fits = output.dim() == len(shape) and all(
        size == wanted if wanted is not None else size > 0
        for size, wanted in zip(output.shape, shape, strict=True)
    )
    if not fits or not output.is_floating_point():
        return f"{str(output.dtype).removeprefix('torch.')} {[*output.shape]} for 2 points"
    if not bool(output.isfinite().all()):
        return "features that are not finite"
    return None


def _in(training: bool) -> str:
    return " in training" if training else ""
