"""python train.py PENALTY RATE SEED EPOCHS DIGITS FOLDER: goes on where it was interrupted, by a file of its own."""
import json
import os
import sys

import joblib
import numpy as np
from safetensors.numpy import load_file, save_file
from scores import scores
from sklearn.linear_model import SGDClassifier

penalty, rate, seed, epochs = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
digits, folder = load_file(sys.argv[5]), sys.argv[6]
os.makedirs(folder, exist_ok=True)
os.makedirs('state', exist_ok=True)
saved = os.path.join('state', os.path.basename(folder) + '.joblib')

if os.path.exists(saved):
    state = joblib.load(saved)
    print('goes on after epoch', state['epoch'])
else:
    model = SGDClassifier(loss='log_loss', alpha=penalty, learning_rate='constant', eta0=rate)
    state = {'epoch': 0, 'model': model, 'curve': []}

model, curve = state['model'], state['curve']
for epoch in range(state['epoch'] + 1, epochs + 1):
    model.set_params(random_state=seed * 1000 + epoch)
    model.partial_fit(digits['train.x'], digits['train.y'], classes=np.arange(10))
    now = scores(model, digits['test.x'], digits['test.y'])
    curve.append({'step': epoch, **now})
    print(f'[{epoch}/{epochs}] accuracy {now["accuracy"]:.3f}', flush=True)
    joblib.dump({'epoch': epoch, 'model': model, 'curve': curve}, saved + '.new')
    os.replace(saved + '.new', saved)

save_file({'coef': model.coef_, 'intercept': model.intercept_}, os.path.join(folder, 'model.safetensors'))
with open(os.path.join(folder, 'metrics.json'), 'w') as file:
    json.dump(scores(model, digits['test.x'], digits['test.y']), file)
with open(os.path.join(folder, 'curve.json'), 'w') as file:
    json.dump(curve, file)
os.remove(saved)
