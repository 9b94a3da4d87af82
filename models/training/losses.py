"""What training minimises: on gold tags the paper's loss, on a teacher's marginals their cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from models.tagging.tagger import Reading, Tagger
from models.training.examples import TrainingBatch

AUXILIARY_WEIGHT = 0.5


def loss_of(tagger: Tagger, batch: TrainingBatch) -> Tensor:
    """Loss of a batch, mean over windows: (), float32."""
    reading = tagger(batch.inputs)
    return taught_loss(tagger, reading, batch) if batch.target.dim() == 3 else labelled_loss(tagger, reading, batch)


def labelled_loss(tagger: Tagger, reading: Reading, batch: TrainingBatch) -> Tensor:
    """CRF(E) + 0.5 CRF_aux(A), negative log-likelihood (arXiv 2210.14163, section 3.5)."""
    tags = batch.target
    loss = -tagger.crf.log_likelihood(batch.words(reading.emissions), tags, batch.word_mask).mean()
    if reading.auxiliary is not None:
        boundary = torch.where(tags > 0, 2 - tags % 2, 0)  # B-X is 1, I-X is 2
        loss = (
            loss - AUXILIARY_WEIGHT * tagger.auxiliary_crf.log_likelihood(batch.words(reading.auxiliary), boundary, batch.word_mask).mean()
        )
    return loss


def taught_loss(tagger: Tagger, reading: Reading, batch: TrainingBatch) -> Tensor:
    """Cross-entropy of the student's CRF marginals to the teacher's, sum over words (Wang et al. 2020, posterior distillation)."""
    student = tagger.crf.log_marginals(batch.words(reading.emissions), batch.word_mask)
    return -(batch.target * student).sum(2).masked_fill(~batch.word_mask, 0).sum(1).mean()
