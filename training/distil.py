"""Soft labels: what an ensemble of teachers says of the student's training objects after every observation.

Teachers are networks of the student's own recipe with other seeds, trained on the student's training part and stopped
by its validation part: no test object is known to any of them. Their mean is better than one of them, and says how
alike the classes look at the time; a student that learns it beside the class itself is nearly as good as the mean, at
the cost of one. A label is said of the curve as it is, and holds for every thinned and noisier view of it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.calibration import probabilities
from model.features import CONTEXT, encode, pad
from model.network import LightCurveLSTM
from training.dataset import Objects
from training.examples import Example, Pool
from training.recipe import Recipe
from training.train import best_temperature, cuts, read_out

BATCH = 128


def teacher_of(recipe: Recipe, i: int) -> Recipe:
    """The recipe of teacher i, from 1 on: the classes alone to learn, another seed, and stopped earlier."""
    alone = recipe.distillation.model_copy(update={"teachers": 0, "weight": 0.0})
    impatient = recipe.optimiser.model_copy(update={"patience": recipe.distillation.patience})
    return recipe.model_copy(update={"seed": recipe.seed + i, "optimiser": impatient, "distillation": alone})


def soften(pool: Pool, teachers: Sequence[LightCurveLSTM], validation: Objects) -> list[Example]:
    """The pool with the mean of the teachers' probabilities, each at its best temperature for validation objects."""
    temperatures = [best_temperature(read_out(t, validation, cuts(validation))[0], validation.labels) for t in teachers]
    softened = list(pool)
    order = sorted(range(len(pool)), key=lambda row: len(pool[row].curve))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        said = [say([pool[row] for row in rows], *pair) for pair in zip(teachers, temperatures, strict=True)]
        for row, *labels in zip(rows, *said, strict=True):
            softened[row] = pool[row]._replace(soft=np.mean(labels, axis=0, dtype=np.float32).astype(np.float16))
    return softened


@torch.no_grad()
def say(examples: Sequence[Example], teacher: LightCurveLSTM, temperature: float) -> list[NDArray[np.float16]]:
    """A teacher's probabilities [T, 14] after every observation of each example."""
    observations, lengths = pad([example.curve for example in examples])
    encoded = encode(observations, lengths, np.array([example.context for example in examples], dtype=CONTEXT))
    everywhere = torch.arange(observations.shape[1]).expand(len(examples), -1)
    inputs, statistics = torch.from_numpy(encoded.inputs), torch.from_numpy(encoded.statistics)
    output = teacher(inputs, statistics, None, readout=everywhere)
    chances = probabilities(output.logits, temperature).numpy().astype(np.float16)
    return [row[:length].copy() for row, length in zip(chances, lengths, strict=True)]
