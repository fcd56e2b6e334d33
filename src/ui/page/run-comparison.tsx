/// <reference lib="dom" />
// run-comparison.tsx — two runs compared: params, numbers and outputs that differ
import type { RunComparison } from '../forms.ts';
import { formatNumber, formatSigned } from '../numbers.ts';
import { Empty, Problem, TaskLink } from './bits.tsx';
import { useAnswer } from './state.ts';

export function Compared({ before, after }: { readonly before: string; readonly after: string }) {
  const { value, problem, isLoading } = useAnswer<RunComparison>('/api/compare', { before, after });
  return (
    <section aria-labelledby="compared">
      <h2 id="compared">
        {before} → {after}
      </h2>
      {value === undefined && (isLoading ? <Empty>Comparing …</Empty> : <Problem text={problem} />)}
      {value && <Comparison value={value} />}
    </section>
  );
}

function Comparison({ value }: { readonly value: RunComparison }) {
  const { causes, effects, moreEffects, outputs, only, forgotten } = value;
  return (
    <>
      <h3>Causes</h3>
      {causes.length === 0 && <Empty>Nothing differs in params, code, inputs and tools.</Empty>}
      {causes.map(({ kind, lines }) => (
        <div key={kind} class="wide" tabIndex={0} role="group" aria-label={`causes: ${kind}`}>
          <table class="plain even">
            <thead>
              <tr>
                <th>{kind}</th>
                <th>before</th>
                <th>after</th>
              </tr>
            </thead>
            <tbody>
              {lines.map((line) => (
                <tr key={line.path}>
                  <td>{line.path.replace(/^\.(?!\.?\/)/, '')}</td>
                  <td>{line.before}</td>
                  <td>{line.after}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
      <h3>Effects</h3>
      {effects.length === 0 && <Empty>No number differs.</Empty>}
      {effects.length > 0 && (
        <div class="wide tall" tabIndex={0} role="group" aria-label="effects">
          <table class="plain">
            <thead>
              <tr>
                <th>task</th>
                <th>number</th>
                <th>before</th>
                <th>after</th>
                <th>difference</th>
              </tr>
            </thead>
            <tbody>
              {effects.map(({ task, name, before, after }) => (
                <tr key={`${task} ${name}`}>
                  <td>
                    <TaskLink task={task} run={value.after} />
                  </td>
                  <td>{name}</td>
                  <td class="number">{before === null ? '–' : formatNumber(before)}</td>
                  <td class="number">{after === null ? '–' : formatNumber(after)}</td>
                  <td class="number">
                    {before === null || after === null ? '' : formatSigned(after - before)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="brief">
        {moreEffects > 0 && <>{moreEffects} more numbers differ. </>}
        {outputs} outputs differ.{' '}
        {only.before.length > 0 && <>Only before: {only.before.length} tasks. </>}
        {only.after.length > 0 && <>Only after: {only.after.length} tasks. </>}
        {forgotten > 0 && <>gc has dropped the records of {forgotten} tasks.</>}
      </p>
    </>
  );
}
