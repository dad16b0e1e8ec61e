"""The attentive probe of an encoder that has tokens, beside the linear classifier."""

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm import tqdm

from crl.data.dataset import Dataset, Split
from crl.data.seeding import generator
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError, one_line
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


@torch.no_grad()
def check_attentive(config: Config, encoder: nn.Module, split: Split) -> None:
    """Raise ConfigError if a probe is asked for and the encoder gives no tokens of two points."""
    if not config.evaluation.attentive:
        return
    if not hasattr(encoder, "tokens"):
        raise ConfigError(
            f"evaluation.attentive: encoder={config.encoder.name} gives one vector a point and no "
            "tokens; torchvision models, installed encoders with tokens and features [n, T, d] "
            "have them"
        )
    training = encoder.training
    device = next((weights.device for weights in encoder.parameters()), torch.device("cpu"))
    points = split.points.select(torch.arange(2)).to(device)
    try:
        tokens = encoder.eval().tokens(points.gather(torch.arange(2, device=device)))  # type: ignore[operator]
    except Exception as error:  # an installed encoder may raise anything
        raise ConfigError(
            f"evaluation.attentive: encoder={config.encoder.name} gives no tokens "
            f"({one_line(error)})"
        ) from error
    finally:
        encoder.train(training)
    if not isinstance(tokens, Tensor) or tokens.ndim != 3 or len(tokens) != 2:
        raise ConfigError(
            f"evaluation.attentive: the tokens of encoder={config.encoder.name} are no tensor "
            "[m, T, d] for m points"
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
                tokens.append(encoder.tokens(points.gather(batch)).half())  # type: ignore[operator]
            except ValueError as error:
                raise ConfigError(
                    f"evaluation.attentive: encoder={config.encoder.name}: {error}"
                ) from error
    return torch.cat(tokens), split.labels.to(fabric.device)
