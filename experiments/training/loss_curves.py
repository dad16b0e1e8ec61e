"""The curves of Figure 2c: unsupervised loss on train and test points, and supervised loss."""

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from crl.data.dataset import Split
from crl.data.seeding import generator
from crl.data.tuples import TupleSampler
from crl.experiments.config.schema import Config
from crl.experiments.evaluation.encode import encode
from crl.experiments.training.build import Prepared
from crl.losses.contrastive import contrastive_loss
from crl.scoring.classifiers import mean_classifier, mean_classifier_loss

_BATCHES = 16  # batches of tuples over features that are encoded once
_LABELLED = (
    1000  # documents of a class, each of several sentences: enough for a loss of two classes
)


@dataclass(frozen=True)
class LossCurves:
    """Three losses of an encoder at any moment of its training.

    ``similar``: the splits ("train", "test") for ``L_un`` at the run's k, b and loss. The tuples
    are the same every time. ``labelled``: the splits for the supervised loss, ``L_sup^mu`` of
    section 2. It scores the mean classifier of training points on test points, over two classes.
    """

    config: Config
    similar: dict[str, Split]
    labelled: dict[str, Split]

    @classmethod
    def of(cls, config: Config, prepared: Prepared) -> "LossCurves":
        """Choose the points.

        A training class gives at most as many points as it has test points, so that train and test
        are measured alike. If similar points come from unlabelled documents, ``L_un`` uses as many
        training documents as held-out ones. The supervised loss then uses at most ``_LABELLED``
        labelled documents of a class.
        """
        dataset, train = prepared.dataset, prepared.similar
        if dataset.unlabelled_dev is None:
            sample = train.take(torch.minimum(train.sizes, dataset.test.sizes))
            similar = {"train": sample, "test": dataset.test}
            return cls(config, similar, similar)
        held_out = dataset.unlabelled_dev
        similar = {"train": train.first_classes(len(held_out.sizes)), "test": held_out}
        labelled = {"train": dataset.train, "test": dataset.test}
        fewer = {role: s.take(s.sizes.clamp(max=_LABELLED)) for role, s in labelled.items()}
        return cls(config, similar, fewer)

    @torch.no_grad()
    def measure(self, encoder: nn.Module, fabric: Fabric) -> dict[str, float]:
        """Return the losses by the names that metrics.jsonl has for them."""
        features = self._encode(encoder, self.similar, fabric)
        losses = {
            f"unsupervised_{role}_loss": self._unsupervised(features[role], split)
            for role, split in self.similar.items()
        }
        if self.labelled is not self.similar:
            features = self._encode(encoder, self.labelled, fabric)
        train, test = self.labelled["train"], self.labelled["test"]
        train_labels, test_labels = (s.labels.to(fabric.device) for s in (train, test))
        means = mean_classifier(features["train"], train_labels, len(train.sizes)).weights
        losses["supervised_test_loss"] = mean_classifier_loss(
            features["test"], means, test_labels, self.config.objective.loss, test.rho
        )
        return losses

    def _encode(
        self, encoder: nn.Module, splits: dict[str, Split], fabric: Fabric
    ) -> dict[str, Tensor]:
        size = self.config.evaluation.batch_size
        return {role: encode(encoder, s.points, size, fabric) for role, s in splits.items()}

    def _unsupervised(self, features: Tensor, split: Split) -> float:
        options = self.config.objective
        offsets = split.offsets.to(features.device)
        sampler = TupleSampler(offsets, options.block_size, options.negatives, rho=split.rho)
        losses = []
        for number in range(_BATCHES):
            draws = generator(self.config.seed, "curve", number, features.device)
            batch = sampler.draw(self.config.training.batch_size, draws)
            positive = features[batch.positives].mean(0)
            negative = features[batch.negatives].mean(0).transpose(0, 1)
            loss = contrastive_loss(features[batch.anchors], positive, negative, options.loss)
            losses.append(loss)
        return float(torch.stack(losses).mean())
