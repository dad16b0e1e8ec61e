"""Stand-in until experiments.step and data.sampler.TupleStream are there."""

import torch

from data.augment import AUGMENTATIONS
from data.sampler import generator
from experiments.fit import Trained
from experiments.objectives import OBJECTIVES, points_of
from experiments.optimizers import build_optimizer, learning_rate


class TrainingStep:
    def __init__(self, config, fabric, encoder, train):
        self.config, self.fabric = config, fabric
        objective = OBJECTIVES[config.objective.name](config.objective, config.encoder.dimension, len(train.sizes))
        trained = Trained(encoder, objective)
        self.model, self.optimizer = fabric.setup(trained, build_optimizer(config.optimizer, trained.parameters()))
        self.train = train.to(fabric.device)
        self.sampler = objective.sampler(train.offsets)
        self.augment = AUGMENTATIONS[config.dataset.get("augment", "none")]

    def __call__(self, step):
        config = self.config
        batch = self.sampler.draw(config.training.batch_size, generator(config.seed, "tuples", step))
        points = self.train.points.gather(points_of(batch))
        points = self.augment(points, generator(config.seed, "augment", step))
        torch.manual_seed(generator(config.seed, "dropout", step).initial_seed())
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config.optimizer, step, config.training.steps)
        self.optimizer.zero_grad()
        loss = self.model(points, batch)
        self.fabric.backward(loss)
        self.optimizer.step()
        return loss.detach()


class TupleStream:
    def __init__(self, sampler, batch_size, seed, stream):
        self.sampler, self.batch_size, self.seed, self.stream = sampler, batch_size, seed, stream

    def batch(self, step):
        return self.sampler.draw(self.batch_size, generator(self.seed, self.stream, step))
