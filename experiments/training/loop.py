"""The training loop: one for every modality and objective."""

import time

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from crl.experiments.config.schema import Config
from crl.experiments.runtime.memory import naming_memory, training
from crl.experiments.runtime.signals import DeferredSignals
from crl.experiments.storage.run_folder import RunFolder
from crl.experiments.trackers import Trackers
from crl.experiments.training.build import Prepared
from crl.experiments.training.loss_curves import LossCurves
from crl.experiments.training.observer import Observer
from crl.experiments.training.progress import Progress, resume, run_identity
from crl.experiments.training.step import TrainingStep


def fit(
    config: Config, fabric: Fabric, prepared: Prepared, folder: RunFolder, trackers: Trackers
) -> Progress:
    """Train the encoder and leave it in the state with the lowest dev loss.

    Goes on from the folder's checkpoint if there is one. Every random draw depends on (seed,
    stream, step) alone, so the outcome is that of an uninterrupted run. A signal to end takes
    effect after the step, with a checkpoint. With several ranks all call this together; only rank 0
    measures, logs and saves. Raises RunError if a loss is no longer finite or the folder cannot be
    written, and Interrupted.
    """
    options, is_rank_zero = config.training, fabric.is_global_zero
    with naming_memory(*training(config)):
        train_step = TrainingStep(config, fabric, prepared.encoder, prepared.train)
    dev, curves = prepared.dev.to(fabric.device), LossCurves.of(config, prepared)
    observer = Observer(config, train_step, dev, curves)
    identity = run_identity(config, prepared)
    progress = resume(folder, train_step, identity, fabric)
    if is_rank_zero:
        trackers.start(progress.step)
    started, saved = time.monotonic() - progress.seconds, time.monotonic()
    loss = torch.tensor(progress.loss, device=fabric.device)  # summed since the last line
    bar = tqdm(
        total=options.steps, initial=progress.step, desc="training",
        disable=None if config.runtime.progress and is_rank_zero else True,
    )  # fmt: skip

    with bar, DeferredSignals() as signals, naming_memory(*training(config)):
        for step in range(progress.step, options.steps):
            loss += train_step(step)  # draw, encode, loss, backward, update
            progress.step = step + 1
            progress.points += train_step.points_per_step
            bar.update()

            is_due = observer.due(progress.step)
            ending = bool(signals)  # a signal that comes later is heard after the next step
            if not is_rank_zero or not (is_due or ending):
                continue
            # Only here does the loop wait for the device.
            progress.loss, progress.seconds = loss.item(), time.monotonic() - started
            if is_due:
                line = observer.line(progress)
                loss.zero_()
                progress.logged, progress.loss = progress.step, 0.0
                progress.log.append(line)
                folder.append_metrics(line)
                trackers.log(line)
                speed = f"{line['points_per_second']:.0f}/s"
                bar.set_postfix(loss=f"{line['train_loss']:.3f}", points=speed)
            is_time = time.monotonic() - saved >= options.checkpoint_seconds
            if ending or is_time or progress.step == options.steps:
                state = train_step.state() | {"progress": vars(progress)}
                folder.save_checkpoint(state | identity)
                saved = time.monotonic()
            if ending:
                signals.deliver()

    if is_rank_zero:
        folder.write_metrics(progress.log)  # once more, synced: the result holds its checksum
        prepared.encoder.load_state_dict(progress.best)
        prepared.encoder.eval()
    return progress
