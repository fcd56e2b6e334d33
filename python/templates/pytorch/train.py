"""A network of two hidden layers, trained by Adam. It goes on where it was interrupted, to the same bits."""
import json

import torch
from network import network
from pipeline_study import checkpoint, inputs, log, log_metrics, outputs, params, progress
from safetensors.torch import load_file, save_file
from torch import nn

p = params(width=32, rate=0.01, seed=0, epochs=60, device='cpu')
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
torch.manual_seed(p.seed)

points = load_file(inputs['points'], device=p.device)
model = network(p.width).to(p.device)
optimizer = torch.optim.Adam(model.parameters(), lr=p.rate)
done = 0

saved = checkpoint()
if saved.has('state.pt'):
    state = torch.load(saved / 'state.pt', map_location=p.device, weights_only=True)
    model.load_state_dict(state['model'])
    optimizer.load_state_dict(state['optimizer'])
    done = state['epoch']
    log(f'goes on after epoch {done}')


def accuracy(part):
    with torch.no_grad():
        return (model(points[part + '.x']).argmax(1) == points[part + '.y']).double().mean().item()


for epoch in range(done + 1, p.epochs + 1):
    # The order of the points depends on seed and epoch alone: an interrupted run ends where any other does.
    chance = torch.Generator().manual_seed(p.seed * 1000 + epoch)
    total = 0.0
    for batch in torch.randperm(len(points['train.x']), generator=chance).to(p.device).split(32):
        loss = nn.functional.cross_entropy(model(points['train.x'][batch]), points['train.y'][batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    log_metrics(epoch, loss=total / len(points['train.x']), accuracy=accuracy('test'))
    progress(epoch, p.epochs, f'loss {total / len(points["train.x"]):.3f}')
    with saved.saving('state.pt') as file:
        torch.save({'epoch': epoch, 'model': model.state_dict(), 'optimizer': optimizer.state_dict()}, file)

save_file({name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}, outputs['model'])
outputs['metrics'].write_text(json.dumps({'accuracy': accuracy('test'), 'train': accuracy('train')}))
