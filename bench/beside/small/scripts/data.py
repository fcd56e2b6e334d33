"""python data.py FILE: where gradient descent starts."""
import json
import sys

with open(sys.argv[1], 'w') as text:
    json.dump({'start': 1.0}, text)
