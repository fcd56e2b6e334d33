"""The versions that results depend on: what this prints is part of every key (`fingerprint` in pipeline.yaml)."""
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ['numpy', 'scikit-learn', 'scipy', 'safetensors', 'joblib', 'pipeline-study']
try:
    print(sys.version.split()[0], *(f'{name}={version(name)}' for name in PACKAGES))
except PackageNotFoundError as missing:
    sys.exit(f'{sys.executable} has no package {missing.name}: activate the environment first, . .venv/bin/activate (README.md)')
