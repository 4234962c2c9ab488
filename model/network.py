"""The network: a causal LSTM over a light curve, its running maximum and mean, and a head that says what it saw.

Law 2: `forward` over T observations and T calls of `step` from a stored state give the same logits, because the state
is an argument and a return value, and everything the head sees is causal. Logits everywhere: no softmax in here.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.features import INPUTS, STATISTICS
from model.taxonomy import CLASSES, GALACTIC_MASK

CUT = 10.0  # standard deviations of training, at which what the network is told ends
FIRST = 3  # modules of the head that are its first layer
SURE = 2.0  # errors that a photo-z is above 0 by, before it rules our Galaxy out; an error that nobody tells is none
IMPOSSIBLE = -30.0  # a logit's loss where the host rules a class out: a probability of 1e-13, and a finite log loss


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The network's sizes."""

    inputs: int = len(INPUTS)
    statistics: int = len(STATISTICS)
    hidden: int = 128
    layers: int = 2
    head: int = 192
    embedding: int = 64
    dropout: float = 0.15
    head_dropout: float = 0.25


class Output(NamedTuple):
    """What the network says after each of R observations of each curve."""

    logits: Tensor  # [B, R, 14]
    features: Tensor  # [B, R, features]: what the head is given and its first layer, where anomalies are looked for
    state: Tensor  # [B, state_size], after the last observation


class LightCurveLSTM(nn.Module):
    """Inputs [B, T, F] and running statistics [B, T, S] to logits of the 14 classes.

    The state [B, state_size]: h and c of every layer, the running maximum and sum of the LSTM's output, the count.
    """

    input_mean: Tensor
    input_scale: Tensor
    statistic_mean: Tensor
    statistic_scale: Tensor
    galactic: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        for name, width in (("input", config.inputs), ("statistic", config.statistics)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))
        self.register_buffer("galactic", torch.tensor(GALACTIC_MASK), persistent=False)
        self.lstm = nn.LSTM(
            config.inputs,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0,
        )
        with torch.no_grad():  # remember by default
            for layer in range(config.layers):
                getattr(self.lstm, f"bias_ih_l{layer}")[config.hidden : 2 * config.hidden] = 1.0
        self.body = nn.Sequential(
            nn.Linear(3 * config.hidden + config.statistics, config.head),
            nn.LayerNorm(config.head),
            nn.GELU(),
            nn.Dropout(config.head_dropout),
            nn.Linear(config.head, config.embedding),
            nn.LayerNorm(config.embedding),
            nn.GELU(),
        )
        self.classes = nn.Sequential(nn.Dropout(config.head_dropout), nn.Linear(config.embedding, len(CLASSES)))

    @property
    def state_size(self) -> int:
        """Numbers in a state."""
        return 2 * self.config.layers * self.config.hidden + 2 * self.config.hidden + 1

    @property
    def features(self) -> int:
        """Numbers in the features of an observation."""
        return 3 * self.config.hidden + self.config.statistics + self.config.head

    @property
    def scaling(self) -> tuple[Tensor, Tensor]:
        """Mean and scale [S] of the running statistics in training."""
        return self.statistic_mean, self.statistic_scale

    def start(self, size: int) -> Tensor:
        """The state [size, state_size] before any observation."""
        state = self.input_mean.new_zeros(size, self.state_size)
        hidden = self.config.hidden
        state[:, -2 * hidden - 1 : -hidden - 1] = -1.0  # an LSTM's output is above -1: the neutral maximum
        return state

    def forward(
        self,
        inputs: Tensor,
        statistics: Tensor,
        lengths: Tensor | None,
        state: Tensor | None = None,
        readout: Tensor | None = None,
    ) -> Output:
        """Classify after chosen observations.

        Args:
            inputs: [B, T, F].
            statistics: [B, T, S].
            lengths: [B], each at least 1; what stands behind changes nothing. None: all T, which trains many times
                faster; the network is causal, so curves padded behind need only a readout before their padding.
            state: [B, state_size] before the first observation; None at the start of a curve.
            readout: [B, R], observations after which to classify; None for the last one alone (R = 1).
        """
        size, steps = inputs.shape[:2]
        config = self.config
        state = self.start(size) if state is None else state
        h, c, top, total, count = self._split(state)
        x = ((inputs - self.input_mean) / self.input_scale).clamp(-CUT, CUT)
        out, (h, c) = self._unroll(x, lengths, h, c)  # [B, T, H]
        out = out.float()
        seen = torch.full((size, 1), steps, device=out.device) if lengths is None else lengths[:, None]
        last = seen - 1
        at = last if readout is None else readout
        maxima, sums, counts = pool(out, torch.cat([at, last], dim=1), top, total, count)
        pooled = torch.cat([pick(out, at), maxima[:, :-1], sums[:, :-1] / counts[:, :-1]], dim=2)
        known = pick(statistics, at)
        scaled = ((known - self.statistic_mean) / self.statistic_scale).clamp(-CUT, CUT)
        given = torch.cat([pooled, scaled], dim=2)
        first = self.body[:FIRST](given)
        logits = self.classes(self.body[FIRST:](first)).float() + IMPOSSIBLE * self._impossible(known)
        ended = torch.cat(
            [
                h.transpose(0, 1).reshape(size, config.layers * config.hidden).float(),
                c.transpose(0, 1).reshape(size, config.layers * config.hidden).float(),
                maxima[:, -1],
                sums[:, -1],
                counts[:, -1],
            ],
            dim=1,
        )
        return Output(logits, torch.cat([given, first], dim=2).float(), ended)

    def step(self, inputs: Tensor, statistics: Tensor, state: Tensor) -> Output:
        """One observation a curve, what `forward` gives for it without what several need; for classifying alone.

        Args:
            inputs: [B, F].
            statistics: [B, S].
            state: [B, state_size].

        Returns:
            logits [B, 14], features [B, features] and the state [B, state_size] after it.
        """
        config, lstm = self.config, self.lstm
        hidden, wide = config.hidden, config.layers * config.hidden
        after, features = torch.empty_like(state), state.new_empty(len(state), self.features)
        x = ((inputs - self.input_mean) / self.input_scale).clamp_(-CUT, CUT)
        for layer in range(config.layers):
            h, c = (slice(part + layer * hidden, part + (layer + 1) * hidden) for part in (0, wide))
            weights = [getattr(lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            gates = torch.addmm(weights[2] + weights[3], x, weights[0].T).addmm_(state[:, h], weights[1].T)
            inward, forget, new, outward = gates.chunk(4, dim=1)
            cell = torch.mul(forget.sigmoid_(), state[:, c], out=after[:, c]).addcmul_(inward.sigmoid_(), tanh(new))
            x = torch.mul(outward.sigmoid_(), tanh(cell), out=after[:, h])
        given, first = torch.split(features, [self.features - config.head, config.head], dim=1)
        (top, total, count), (top_before, total_before, count_before) = (
            torch.split(s[:, 2 * wide :], [hidden, hidden, 1], dim=1) for s in (after, state)
        )
        torch.add(count_before, 1, out=count)
        given[:, :hidden] = x
        given[:, hidden : 2 * hidden] = torch.maximum(x, top_before, out=top)
        torch.div(torch.add(x, total_before, out=total), count, out=given[:, 2 * hidden : 3 * hidden])
        torch.sub(statistics, self.statistic_mean, out=given[:, 3 * hidden :]).div_(self.statistic_scale).clamp_(
            -CUT, CUT
        )
        first.copy_(self.body[:FIRST](given))
        logits = self.classes(self.body[FIRST:](first)) + IMPOSSIBLE * self._impossible(statistics)
        return Output(logits, features, after)

    def _unroll(self, x: Tensor, lengths: Tensor | None, h: Tensor, c: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The LSTM's output [B, T, H] and its h, c [layers, B, H] after the last observation of each row."""
        if lengths is None or x.shape[1] == 1:
            out, (h, c) = self.lstm(x, (h, c))
            return out, (h, c)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, (h, c) = self.lstm(packed, (h, c))
        return nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])[0], (h, c)

    def _split(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """State [B, state_size] to h, c [layers, B, H], maximum, sum [B, H] and count [B, 1]."""
        hidden, layers = self.config.hidden, self.config.layers
        sizes = [layers * hidden, layers * hidden, hidden, hidden, 1]
        h, c, top, total, count = torch.split(state, sizes, dim=1)
        h, c = (s.reshape(len(state), layers, hidden).transpose(0, 1).contiguous() for s in (h, c))
        return h, c, top, total, count

    def _impossible(self, statistics: Tensor) -> Tensor:
        """[B, R, 14]: 1 where the photo-z rules a class out. 0 is our Galaxy; unknown or unsure ones rule none out."""
        ours, unknown, photoz, error = (
            statistics[..., STATISTICS.index(name), None]
            for name in ("galactic", "photoz_missing", "photoz", "photoz_err")
        )
        sure = (unknown < 0.5) & (photoz >= SURE * error)
        return (((ours > 0.5) != self.galactic) & sure).float()


def pool(out: Tensor, at: Tensor, top: Tensor, total: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Maximum, sum [B, R, H] and count [B, R, 1] of out [B, T, H] up to and with positions [B, R].

    They go on from the maximum, the sum [B, H] and the count [B, 1] before. Only what is asked for has a gradient,
    which saves a fifth of a training step.
    """
    highest = out.gather(1, pick(out.detach().cummax(dim=1).indices, at))
    within = torch.arange(out.shape[1], device=out.device) <= at[..., None]  # [B, R, T]
    sums = total[:, None] + within.to(out.dtype) @ out
    return torch.maximum(highest, top[:, None]), sums, (count + at + 1)[..., None]


def pick(values: Tensor, at: Tensor) -> Tensor:
    """Values [B, T, W] at positions [B, R] as [B, R, W]."""
    return values.gather(1, at[..., None].expand(-1, -1, values.shape[2]))


def tanh(values: Tensor) -> Tensor:
    """By the sigmoid, which torch computes four times as fast; exact to 1e-7."""
    return (2 * values).sigmoid_().mul_(2).sub_(1)
