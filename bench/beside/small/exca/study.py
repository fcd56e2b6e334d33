"""The small study as exca has it: each stage is a method of a configuration, and its result is cached by that."""
import sys

import exca
import pydantic
from loss import loss

CACHE = 'cache'


class Data(pydantic.BaseModel):
    infra: exca.TaskInfra = exca.TaskInfra(folder=CACHE)

    @infra.apply
    def process(self) -> dict[str, float]:
        print('RAN data')
        return {'start': 1.0}


class Train(pydantic.BaseModel):
    rate: float
    data: Data = Data()
    infra: exca.TaskInfra = exca.TaskInfra(folder=CACHE)

    @infra.apply
    def process(self) -> dict[str, float]:
        print('RAN train', self.rate)
        x = self.data.process()['start']
        for _ in range(100):
            x -= self.rate * 2 * x
        return {'rate': self.rate, 'loss': loss(x)}


class Table(pydantic.BaseModel):
    runs: list[Train]
    infra: exca.TaskInfra = exca.TaskInfra(folder=CACHE)

    @infra.apply
    def process(self) -> str:
        print('RAN table')
        rows = sorted((run.process() for run in self.runs), key=lambda row: row['rate'])
        return '\n'.join(f'{row["rate"]}\t{row["loss"]:.3e}' for row in rows)


if __name__ == '__main__':
    rates = [float(word) for word in sys.argv[1:]]
    print(Table(runs=[Train(rate=rate) for rate in rates]).process())
