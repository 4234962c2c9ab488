"""Soft labels from teachers that never saw the object: what its class looks like to somebody who has to guess it.

Teacher (j, k) learns without the test and validation parts of folds j and k. For the student of fold k it labels the
objects of fold j's test part, for that of fold j those of fold k's: every training object gets a label that nobody
learned by heart, no test or validation object of a student is known to any of its teachers, and five folds need ten
teachers. A label is the teacher's probabilities after every observation of the curve as it is; its temperature is
fitted on the objects that it labels, whose classes are known.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.calibration import probabilities
from model.features import CONTEXT, encode, pad
from model.network import LightCurveLSTM
from training import splits
from training.dataset import Objects
from training.examples import Example, Pool
from training.recipe import Recipe
from training.train import best_temperature, cuts, read_out

BATCH = 128


def teacher_of(recipe: Recipe, j: int, k: int) -> Recipe:
    """The recipe of teacher (j, k): the student's on the classes alone, with a seed and a schedule of its own."""
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-teacher{j}{k}",
            "seed": recipe.seed + 1 + splits.FOLDS * j + k,
            "optimiser": recipe.optimiser.model_copy(update={"epochs": recipe.distillation.teacher_epochs}),
            "distillation": recipe.distillation.model_copy(update={"weight": 0.0}),
        }
    )


def soften(pool: Pool, objects: Objects, rows: NDArray[np.int64], teacher: LightCurveLSTM) -> list[Example]:
    """The pool of objects [N], with a teacher's labels on the examples of rows [M], which the teacher never saw."""
    unseen = objects.take(rows)
    temperature = best_temperature(read_out(teacher, unseen, cuts(unseen))[0], unseen.labels)
    softened = list(pool)
    order = sorted((int(row) for row in rows), key=lambda row: len(pool[row].curve))
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        for row, soft in zip(batch, say([pool[row] for row in batch], teacher, temperature), strict=True):
            softened[row] = pool[row]._replace(soft=soft)
    return softened


@torch.no_grad()
def say(examples: Sequence[Example], teacher: LightCurveLSTM, temperature: float) -> list[NDArray[np.float16]]:
    """The teacher's probabilities [T, 14] after every observation of each example."""
    observations, lengths = pad([example.curve for example in examples])
    encoded = encode(observations, lengths, np.array([example.context for example in examples], dtype=CONTEXT))
    everywhere = torch.arange(observations.shape[1]).expand(len(examples), -1)
    inputs, statistics = torch.from_numpy(encoded.inputs), torch.from_numpy(encoded.statistics)
    output = teacher(inputs, statistics, None, readout=everywhere)
    chances = probabilities(output.logits, temperature).numpy().astype(np.float16)
    return [row[:length].copy() for row, length in zip(chances, lengths, strict=True)]
