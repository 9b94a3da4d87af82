"""Losses of training: the paper's loss for gold tags, and cross-entropy for the marginals of a teacher."""

from __future__ import annotations

import torch
from torch import Tensor

from models.tagging.tagger import Tagger, TaggerOutput
from models.training.examples import TrainingBatch

AUXILIARY_WEIGHT = 0.5


def loss_of(tagger: Tagger, batch: TrainingBatch) -> Tensor:
    """Run the tagger on a batch and return its loss, mean over windows: scalar, float32."""
    output = tagger(batch.inputs)
    return distillation_loss(tagger, output, batch) if batch.target.dim() == 3 else labelled_loss(tagger, output, batch)


def labelled_loss(tagger: Tagger, output: TaggerOutput, batch: TrainingBatch) -> Tensor:
    """Return CRF(E) + 0.5 CRF_aux(A), as negative log-likelihoods (arXiv 2210.14163, section 3.5)."""
    tags = batch.target
    loss = -tagger.crf.log_likelihood(batch.words(output.emissions), tags, batch.word_mask).mean()
    if output.auxiliary is not None:
        boundary = boundaries(tags)
        loss = (
            loss - AUXILIARY_WEIGHT * tagger.auxiliary_crf.log_likelihood(batch.words(output.auxiliary), boundary, batch.word_mask).mean()
        )
    return loss


def boundaries(tags: Tensor) -> Tensor:
    """Return tags without their types: 0 for O, 1 for B, 2 for I; same shape."""
    return torch.where(tags > 0, 2 - tags % 2, 0)


def distillation_loss(tagger: Tagger, output: TaggerOutput, batch: TrainingBatch) -> Tensor:
    """Return the cross-entropy of the student's marginals to the teacher's, summed over words (Wang et al. 2020)."""
    student = tagger.crf.log_marginals(batch.words(output.emissions), batch.word_mask)
    return -(batch.target * student).sum(2).masked_fill(~batch.word_mask, 0).sum(1).mean()
