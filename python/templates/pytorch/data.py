"""Two spirals that interlock: points of two classes, drawn from a seed."""
import math

import torch
from pipeline_study import outputs, params
from safetensors.torch import save_file

p = params(seed=0, points=600, noise=0.1)
torch.set_num_threads(1)
chance = torch.Generator().manual_seed(p.seed)
label = torch.arange(p.points) % 2
turn = torch.rand(p.points, generator=chance).sqrt() * 3 * math.pi
angle = turn + math.pi * label
points = torch.stack([turn * angle.cos(), turn * angle.sin()], dim=1) / 5
points += p.noise * torch.randn(points.shape, generator=chance)
cut = p.points * 3 // 4
parts = {'train.x': points[:cut], 'train.y': label[:cut], 'test.x': points[cut:], 'test.y': label[cut:]}
save_file({name: part.contiguous() for name, part in parts.items()}, outputs['points'])
