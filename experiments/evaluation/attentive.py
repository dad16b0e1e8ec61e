"""The attentive probe of an encoder that has tokens, beside the linear classifier."""

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn
from tqdm import tqdm

from crl.scoring.attentive_probe import attend, fit_attentive_probe, linear_part
from data.dataset import Dataset
from data.seeding import generator
from data.split import Split
from experiments.errors import ConfigError
from experiments.evaluation.accuracy import scores


def attentive_metrics(
    config: DictConfig, fabric: Fabric, encoder: nn.Module, dataset: Dataset
) -> dict[str, float]:
    """``test.attentive.<metric>`` and ``dev.attentive.top1``, in [0, 1]; nothing unless
    ``evaluation.attentive`` is set.

    Tokens are kept in half precision. Raises ConfigError for an encoder that has none.
    """
    if not config.evaluation.attentive:
        return {}
    found = {
        role: _tokens(config, fabric, encoder, split) for role, split in dataset.splits().items()
    }
    draws = generator(config.seed, "attentive", 0)
    classes = len(dataset.classes)
    probe, accuracy = fit_attentive_probe(found["train"], found["dev"], classes, draws)
    tested = attend(probe, found["test"][0]), found["test"][1]
    metrics = scores(linear_part(probe), tested, classes, config.evaluation, dataset.test.rho)
    return {f"test.attentive.{name}": value for name, value in metrics.items()} | {
        "dev.attentive.top1": accuracy
    }


def check_attentive(config: DictConfig, encoder: nn.Module) -> None:
    """Raise ConfigError where an attentive probe is wanted of an encoder of ours without tokens,
    before it is trained."""
    if config.evaluation.attentive and not hasattr(encoder, "tokens"):
        raise ConfigError(
            f"evaluation.attentive: encoder={config.encoder.name} gives one vector a point and no tokens; "
            "torchvision models, installed encoders with tokens and features [n, T, d] have them"
        )


@torch.no_grad()
def _tokens(
    config: DictConfig, fabric: Fabric, encoder: nn.Module, split: Split
) -> tuple[Tensor, Tensor]:
    """Tokens float16 [n, T, d] and labels [n] of a split."""
    encoder.eval()
    points = split.points.to(fabric.device)
    parts = []
    with fabric.autocast():
        index = torch.arange(len(split), device=fabric.device)
        for part in tqdm(
            index.split(config.evaluation.batch_size), desc="tokens", disable=None, leave=False
        ):
            try:
                parts.append(encoder.tokens(points.gather(part)).half())  # type: ignore[operator]
            except ValueError as error:
                raise ConfigError(
                    f"evaluation.attentive: encoder={config.encoder.name}: {error}"
                ) from error
    return torch.cat(parts), split.labels.to(fabric.device)
