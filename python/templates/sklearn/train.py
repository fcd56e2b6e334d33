"""A linear classifier, trained by stochastic gradient descent. It goes on where it was interrupted, to the same bits."""
import json

import joblib
import numpy as np
from pipeline_study import checkpoint, inputs, log, log_metrics, outputs, params, progress
from safetensors.numpy import load_file, save_file
from scores import scores
from sklearn.linear_model import SGDClassifier

p = params(penalty=0.0001, rate=0.1, seed=0, epochs=20)
digits = load_file(inputs['digits'])
saved = checkpoint()

if saved.has('state.joblib'):
    state = joblib.load(saved / 'state.joblib')
    log(f'goes on after epoch {state["epoch"]}')
else:
    model = SGDClassifier(loss='log_loss', alpha=p.penalty, learning_rate='constant', eta0=p.rate)
    state = {'epoch': 0, 'model': model}

model = state['model']
for epoch in range(state['epoch'] + 1, p.epochs + 1):
    # The order of the digits depends on seed and epoch alone: an interrupted run ends where any other does.
    model.set_params(random_state=p.seed * 1000 + epoch)
    model.partial_fit(digits['train.x'], digits['train.y'], classes=np.arange(10))
    now = scores(model, digits['test.x'], digits['test.y'])
    log_metrics(epoch, now)
    progress(epoch, p.epochs, f'accuracy {now["accuracy"]:.3f}')
    with saved.saving('state.joblib') as file:
        joblib.dump({'epoch': epoch, 'model': model}, file)

save_file({'coef': model.coef_, 'intercept': model.intercept_}, outputs['model'])
outputs['metrics'].write_text(json.dumps(scores(model, digits['test.x'], digits['test.y'])))
