"""Learning loop of the sentence scorer: batches of like length, checkpoints, a falling rate.

The same texts, settings and number of threads give the same weights, whether a run was stopped and
taken up again or not. Only a limit in minutes makes the result depend on the machine.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.files import write_durably
from models.sentence_scorer import MASK
from training.design_matrix import Progress
from training.sentence.network import Network
from training.sentence.tokens import Tokens, batches

FIRST_PIECE = MASK + 1
"""Pieces before it are signs, not parts of words."""


@dataclass(frozen=True)
class Plan:
    """How to learn."""

    rate: float = 1e-4  # of AdamW; falls to nothing
    head_rate: float = 3e-4  # of the layers that say the labels
    warm_up: float = 0.02  # share of the steps in which the rate rises
    n_passes: float = 1.0
    minutes: float = 0.0  # if not 0, the rate falls by the clock too, and learning ends in time
    tokens: int = 1500  # of a batch, filled up to its longest text
    weight_decay: float = 0.01
    seed: int = 0
    checkpoint_minutes: float = 5.0
    half: bool = False  # arithmetic in bfloat16 where it is safe


Loss = Callable[[Network, NDArray[np.int64]], Tensor]
"""The loss of a batch, given as rows."""


def labels_loss(
    tokens: Tokens, y: NDArray[np.float32], weight: NDArray[np.float32], device: torch.device
) -> Loss:
    """Cross-entropy over the labels that were observed; NaN where one was not."""

    def loss(network: Network, rows: NDArray[np.int64]) -> Tensor:
        target = torch.from_numpy(y[rows]).to(device)
        weights = torch.from_numpy(weight[rows]).to(device)
        logits = network(torch.from_numpy(tokens.batch(rows)).to(device)).float()
        each = functional.binary_cross_entropy_with_logits(
            logits, torch.nan_to_num(target), reduction="none"
        )
        each = (each * ~torch.isnan(target)).sum(1)
        return (each * weights).sum() / weights.sum()

    return loss


def masked_loss(tokens: Tokens, device: torch.device, share: float = 0.25) -> Loss:
    """Cross-entropy of pieces that were masked (80 %), exchanged (10 %) or left (10 %)."""

    def loss(network: Network, rows: NDArray[np.int64]) -> Tensor:
        ids = torch.from_numpy(tokens.batch(rows)).to(device)
        chosen = (ids >= FIRST_PIECE) & (torch.rand(ids.shape, device=device) < share)
        if not chosen.any():
            chosen = ids >= FIRST_PIECE
        fate = torch.rand(ids.shape, device=device)
        other = torch.randint(FIRST_PIECE, network.shape.n_pieces, ids.shape, device=device)
        shown = torch.where(chosen & (fate < 0.8), torch.full_like(ids, MASK), ids)
        shown = torch.where(chosen & (fate > 0.9), other, shown)
        return functional.cross_entropy(network.guesses(shown, chosen).float(), ids[chosen])

    return loss


def learn(
    network: Network,
    loss: Loss,
    lengths: NDArray[np.int64],
    plan: Plan,
    *,
    device: torch.device,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    phrase: str = "learning",
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Learn, from the checkpoint on if there is one, and say what was done."""
    tell = progress or (lambda _, __: None)
    network.to(device).train()
    optimizer = _optimizer(network, plan, device)
    torch.manual_seed(plan.seed)
    n_steps = max(1, round(plan.n_passes * len(_pass(lengths, plan, 0))))
    state = _State()
    if checkpoint and checkpoint.exists():
        state.load(checkpoint, network, optimizer)
    began = saved = time.monotonic()
    spent = state.seconds
    half = torch.autocast(device.type, torch.bfloat16) if plan.half else nullcontext()
    for step, rows in _steps(lengths, plan, n_steps, state.step):
        done = step / n_steps
        state.seconds = spent + time.monotonic() - began
        if plan.minutes:
            done = max(done, state.seconds / (60 * plan.minutes))
            if done >= 1:
                break
        factor = min(1.0, (step + 1) / max(1, plan.warm_up * n_steps)) * max(0.01, 1 - done)
        for group in optimizer.param_groups:
            group["lr"] = group["full_rate"] * factor
        with half:
            value = loss(network, rows)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        state.step = step + 1
        state.n_texts += len(rows)
        if step % 10 == 0:
            now = float(value.detach())
            if not math.isfinite(now):
                raise ValueError(f"the loss is not finite at step {step}: take a lower rate")
            state.loss = now if math.isnan(state.loss) else 0.98 * state.loss + 0.02 * now
            tell(phrase, done)
            if step % 100 == 0:
                note(f"step {step} of {n_steps}, loss {state.loss:.4f}, {state.seconds:.0f} s")
        if checkpoint and time.monotonic() - saved > 60 * plan.checkpoint_minutes:
            state.save(checkpoint, network, optimizer)
            saved = time.monotonic()
    state.seconds = spent + time.monotonic() - began
    network.eval()
    return asdict(plan) | {
        "n_steps": state.step,
        "n_texts": state.n_texts,
        "seconds": round(state.seconds),
        "loss": None if math.isnan(state.loss) else round(state.loss, 4),
        "device": device.type,
        "torch": torch.__version__,
    }


def predict(network: Network, tokens: Tokens, device: torch.device) -> NDArray[np.float64]:
    """Return the logits of texts, in batches of like length."""
    network.to(device).eval()
    logits = np.zeros((len(tokens), len(network.names)))
    with torch.inference_mode():
        for rows in batches(tokens.lengths, 8192, None):
            logits[rows] = (
                network(torch.from_numpy(tokens.batch(rows)).to(device)).double().cpu().numpy()
            )
    return logits


def _optimizer(network: Network, plan: Plan, device: torch.device) -> torch.optim.Optimizer:
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, values in network.named_parameters():
        is_head = not name.startswith("encoder.")
        groups.setdefault((is_head, values.ndim > 1), []).append(values)
    return torch.optim.AdamW(
        [
            {
                "params": values,
                "weight_decay": plan.weight_decay if decays else 0.0,
                "full_rate": plan.head_rate if is_head else plan.rate,
            }
            for (is_head, decays), values in groups.items()
        ],
        lr=plan.rate,
        betas=(0.9, 0.98),
        eps=1e-6,
        fused=True,
    )


def _pass(lengths: NDArray[np.int64], plan: Plan, number: int) -> list[NDArray[np.int64]]:
    return batches(lengths, plan.tokens, np.random.default_rng((plan.seed, number)))


def _steps(
    lengths: NDArray[np.int64], plan: Plan, n_steps: int, first: int
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each step's number and rows, from a given step on."""
    step, number = 0, 0
    while step < n_steps:
        for rows in _pass(lengths, plan, number):
            if step >= n_steps:
                return
            if step >= first:
                yield step, rows
            step += 1
        number += 1


@dataclass
class _State:
    """Where a run stands."""

    step: int = 0
    n_texts: int = 0
    seconds: float = 0.0
    loss: float = math.nan

    def save(self, path: Path, network: Network, optimizer: torch.optim.Optimizer) -> None:
        content = io.BytesIO()
        stored = asdict(self) | {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "chance": torch.get_rng_state(),
        }
        if torch.cuda.is_available():
            stored["chance_there"] = torch.cuda.get_rng_state()
        torch.save(stored, content)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, content.getvalue())

    def load(self, path: Path, network: Network, optimizer: torch.optim.Optimizer) -> None:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(stored.pop("network"))
        optimizer.load_state_dict(stored.pop("optimizer"))
        torch.set_rng_state(stored.pop("chance"))
        if "chance_there" in stored:
            torch.cuda.set_rng_state(stored.pop("chance_there"))
        for name, value in stored.items():
            setattr(self, name, value)
