"""Nets of other projects, written plainly anew: their modules' names and their arithmetic."""

import torch
from torch import nn
from torch.nn import functional as F


class JEMBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, stride=stride, padding=1)
        same = c_in == c_out and stride == 1
        self.shortcut = (
            nn.Sequential() if same else nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride))
        )

    def forward(self, x):
        out = self.conv1(F.leaky_relu(x, 0.2))
        return self.conv2(F.leaky_relu(out, 0.2)) + self.shortcut(x)


class JEMFeatures(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        n, widths = (depth - 4) // 6, [16, 16 * width, 32 * width, 64 * width]
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        for i in range(3):
            blocks = [
                JEMBlock(widths[i + (j > 0)], widths[i + 1], 2 if i and not j else 1)
                for j in range(n)
            ]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(widths[3], 10)

    def forward(self, x):
        out = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return F.avg_pool2d(F.leaky_relu(out, 0.2), 8).flatten(1)


class JEM(nn.Module):
    """Images in [-1, 1] -> logits."""

    def __init__(self, depth=10, width=2):
        super().__init__()
        self.f = JEMFeatures(depth, width)
        self.energy_output = nn.Linear(64 * width, 1)
        self.class_output = nn.Linear(64 * width, 10)

    def forward(self, x):
        return self.class_output(self.f(x))


class TradesBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.equal = c_in == c_out
        if not self.equal:
            self.convShortcut = nn.Conv2d(c_in, c_out, 1, stride, bias=False)

    def forward(self, x):
        out = F.relu(self.bn1(x))
        kept = x if self.equal else self.convShortcut(out)
        return kept + self.conv2(F.relu(self.bn2(self.conv1(out))))


class TradesStage(nn.Module):
    def __init__(self, n, c_in, c_out, stride):
        super().__init__()
        first = TradesBlock(c_in, c_out, stride)
        self.layer = nn.Sequential(first, *(TradesBlock(c_out, c_out, 1) for _ in range(n - 1)))

    def forward(self, x):
        return self.layer(x)


class Trades(nn.Module):
    def __init__(self, depth=10, width=2, mu=None, sigma=None):
        super().__init__()
        n, c = (depth - 4) // 6, [16, 16 * width, 32 * width, 64 * width]
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.block1 = TradesStage(n, c[0], c[1], 1)
        self.sub_block1 = TradesStage(n, c[0], c[1], 1)  # never run
        self.block2 = TradesStage(n, c[1], c[2], 2)
        self.block3 = TradesStage(n, c[2], c[3], 2)
        self.bn1 = nn.BatchNorm2d(c[3])
        self.fc = nn.Linear(c[3], 10)
        if mu is not None:
            self.register_buffer("mu", torch.tensor(mu).view(1, 3, 1, 1))
            self.register_buffer("sigma", torch.tensor(sigma).view(1, 3, 1, 1))

    def forward(self, x):
        x = (x - self.mu) / self.sigma if hasattr(self, "mu") else x
        out = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.avg_pool2d(F.relu(self.bn1(out)), 8).flatten(1))


class PreActBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False))

    def forward(self, x):
        out = F.relu(self.bn1(x))
        kept = self.shortcut(out) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(out)))) + kept


class FastAdversarial(nn.Module):
    """Of images that were normalised before."""

    def __init__(self, width=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        c_in = width
        for i in range(4):
            c_out, stride = width * 2**i, 2 if i else 1
            blocks = [PreActBlock(c_in, c_out, stride), PreActBlock(c_out, c_out, 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
            c_in = c_out
        self.bn = nn.BatchNorm2d(c_in)
        self.linear = nn.Linear(c_in, 10)

    def forward(self, x):
        out = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        return self.linear(F.avg_pool2d(F.relu(self.bn(out)), 4).flatten(1))


class ResBlock(nn.Module):
    def __init__(self, c_in, width, stride, expansion):
        super().__init__()
        sides = [3, 3] if expansion == 1 else [1, 3, 1]
        widths = [c_in, *[width] * (len(sides) - 1), width * expansion]
        at = 0 if expansion == 1 else 1  # which convolution has the stride
        for j, side in enumerate(sides):
            s = stride if j == at else 1
            conv = nn.Conv2d(widths[j], widths[j + 1], side, s, padding=side // 2, bias=False)
            setattr(self, f"conv{j + 1}", conv)
            setattr(self, f"bn{j + 1}", nn.BatchNorm2d(widths[j + 1]))
        self.n, self.shortcut = len(sides), nn.Sequential()
        if stride != 1 or c_in != widths[-1]:
            conv = nn.Conv2d(c_in, widths[-1], 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(widths[-1]))

    def forward(self, x):
        out = x
        for j in range(1, self.n + 1):
            out = getattr(self, f"bn{j}")(getattr(self, f"conv{j}")(out))
            out = F.relu(out) if j < self.n else out
        return F.relu(out + self.shortcut(x))


class Kuangliu(nn.Module):
    def __init__(self, depth=18, width=8):
        super().__init__()
        blocks, expansion = {18: ([2, 2, 2, 2], 1), 50: ([3, 4, 6, 3], 4)}[depth]
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        c_in = width
        for i, n in enumerate(blocks):
            layers = []
            for j in range(n):
                layers.append(ResBlock(c_in, width * 2**i, 2 if i and not j else 1, expansion))
                c_in = width * 2**i * expansion
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
        self.linear = nn.Linear(c_in, 10)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        return self.linear(F.avg_pool2d(out, 4).flatten(1))


class Normalizer(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("new_mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("new_std", torch.tensor(std)[:, None, None])

    def forward(self, x):
        return (x.clamp(0, 1) - self.new_mean) / self.new_std


class Attacker(nn.Module):
    def __init__(self, model, normalize):
        super().__init__()
        self.model, self.normalize = model, normalize


class Robustness(nn.Module):
    """MadryLab's AttackerModel: the net twice in its state dict, and the normaliser, too."""

    def __init__(self, net, mean, std):
        super().__init__()
        self.normalizer, self.model = Normalizer(mean, std), net
        self.attacker = Attacker(net, self.normalizer)

    def forward(self, x):
        return self.model(self.normalizer(x))
