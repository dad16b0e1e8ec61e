"""The attentive probe of an encoder that has tokens, beside the linear classifier."""

import math

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm import tqdm

from crl.data.dataset import Dataset, Split
from crl.data.seeding import generator
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError, RunError
from crl.experiments.evaluation.accuracy import scores
from crl.scoring.attentive_probe import attend, fit_attentive_probe, linear_part


def attentive_metrics(
    config: Config, fabric: Fabric, encoder: nn.Module, dataset: Dataset
) -> dict[str, float]:
    """Return ``test.attentive.<metric>`` and ``dev.attentive.top1``, in [0, 1].

    Empty unless ``evaluation.attentive`` is set. Tokens are kept in half precision. Raises
    ConfigError for an encoder without tokens.
    """
    if not config.evaluation.attentive:
        return {}
    tokens = {role: _tokens(config, fabric, encoder, s) for role, s in dataset.splits().items()}
    draws = generator(config.seed, "attentive", 0)
    classes = len(dataset.classes)
    probe, dev_accuracy = fit_attentive_probe(tokens["train"], tokens["dev"], classes, draws)
    attended = attend(probe, tokens["test"][0]), tokens["test"][1]
    metrics = scores(linear_part(probe), attended, classes, config.evaluation, dataset.test.rho)
    named = {f"test.attentive.{name}": value for name, value in metrics.items()}
    return named | {"dev.attentive.top1": dev_accuracy}


def check_attentive(config: Config, encoder: nn.Module) -> None:
    """Raise ConfigError if a probe is asked for and our encoder has no tokens."""
    if config.evaluation.attentive and not hasattr(encoder, "tokens"):
        raise ConfigError(
            f"evaluation.attentive: encoder={config.encoder.name} gives one vector a point and no "
            "tokens; torchvision models, installed encoders with tokens and features [n, T, d] "
            "have them"
        )


@torch.no_grad()
def _tokens(
    config: Config, fabric: Fabric, encoder: nn.Module, split: Split
) -> tuple[Tensor, Tensor]:
    """Return tokens float16 [n, T, d] and labels [n] of a split."""
    encoder.eval()
    points = split.points.to(fabric.device)
    index = torch.arange(len(split), device=fabric.device)
    batches = tqdm(
        index.split(config.evaluation.batch_size), desc="tokens", disable=None, leave=False
    )
    tokens = []
    with fabric.autocast():
        for batch in batches:
            try:
                tokens.append(_in_half(encoder.tokens(points.gather(batch))))  # type: ignore[operator]
            except ValueError as error:
                raise ConfigError(
                    f"evaluation.attentive: encoder={config.encoder.name}: {error}"
                ) from error
    return torch.cat(tokens), split.labels.to(fabric.device)


def _in_half(tokens: Tensor) -> Tensor:
    """Return tokens in half precision, scaled by a power of two where it could not hold them.

    The probe standardises each token, so it does not see the factor. Raises RunError for tokens
    that are not finite.
    """
    largest = float(tokens.abs().max())
    if not math.isfinite(largest):
        raise RunError("evaluation.attentive: the encoder's tokens are not finite")
    if largest == 0 or 2.0**-10 < largest < 2.0**15:  # float16 holds 2^-14 to 65504 in full
        return tokens.half()
    return (tokens.double() * 2.0 ** -math.frexp(largest)[1]).half()
