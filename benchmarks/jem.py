"""A JEM iteration beside a plain loop written to JEM's published procedure."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import batch_of, jeat_iteration, net_of
from jeat.data import Batch
from jeat.training.iteration import iterate

__all__ = ["measure"]

BUFFER = 10_000
NETS = {"wrn-10-2": (64, 20), "wrn-16-2": (64, 20), "wrn-28-10": (8, 5)}  # batch, steps


class Published:
    """JEM as Grathwohl et al. (2020) describe it, converted to [0, 1] pixels.

    fp32, default memory format, weights not frozen, a graph retained in each Langevin step, one
    forward pass for each of p(x) on data, p(x) on negatives and p(y|x), each with its own batch.
    """

    def __init__(self, net: nn.Module, batch: int, steps: int) -> None:
        self.net = net.to(memory_format=torch.contiguous_format)
        self.batch, self.steps = batch, steps
        self.buffer = torch.rand(BUFFER, 3, 32, 32)
        self.optimizer = torch.optim.Adam(net.parameters(), 1e-4, betas=(0.9, 0.999))

    def negatives(self) -> Tensor:
        """K steps down E(x) from the buffer, restarted with probability 0.05."""
        slots = torch.randint(BUFFER, (self.batch,))
        fresh = torch.rand(self.batch, 1, 1, 1) < 0.05
        noise = torch.rand(self.batch, 3, 32, 32)
        x = torch.where(fresh, noise, self.buffer[slots]).requires_grad_()
        self.net.eval()
        for _ in range(self.steps):
            f = self.net(x).logsumexp(1).sum()
            (gradient,) = torch.autograd.grad(f, [x], retain_graph=True)
            x.data += 0.25 * gradient + 0.005 * torch.randn_like(x)
        self.net.train()
        self.buffer[slots] = x.detach()
        return x.detach()

    def iterate(self, x: Tensor, x_labelled: Tensor, y: Tensor) -> None:
        """One update of the weights."""
        x_neg = self.negatives()
        x, x_labelled = (v + 0.015 * torch.randn_like(v) for v in (x, x_labelled))
        px = self.net(x_neg).logsumexp(1).mean() - self.net(x).logsumexp(1).mean()
        loss = px + nn.functional.cross_entropy(self.net(x_labelled), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def measure(rounds: int = 2) -> Iterator[Row]:
    """The published loop's time over ours."""
    for name, (n, steps) in NETS.items():
        published = Published(net_of(name), n, steps)
        ours = jeat_iteration(name, n, method="jem", steps=steps)
        x, y = batch_of(n)
        plain, batch = x.contiguous(), Batch(x, y, logged=False)
        t = interleaved(
            {
                "published": lambda p=published, x=plain, y=y: p.iterate(x, x, y),
                "ours": lambda o=ours, b=batch: iterate(o, b),
            },
            rounds,
        )
        yield Row(
            "JEM", f"published loop / ours: JEM iteration (K={steps}), {name}, batch {n}",
            *ratio(t["published"], t["ours"]), rounds, at_least=2.2 if steps == 20 else None,
            note="theirs passes a third batch, 1/15 more work at K=20 and 1/5 at K=5",
        )  # fmt: skip
