/// <reference lib="dom" />
// output-panel.tsx — an output, as far as a page can show it: JSON, tables, tensors, text, pictures, files
import { useState } from 'preact/hooks';
import type { Json } from '../../engine/model/key.ts';
import type { OutputLine, OutputView, TensorView } from '../forms.ts';
import { formatBytes, formatNumber } from '../numbers.ts';
import { rowsOfJson, rowsOfText, type TextTable } from '../text-table.ts';
import { Empty, Problem, SearchField } from './bits.tsx';
import type { Words } from './source.ts';
import { useAnswer, useShared } from './state.ts';

interface Props {
  readonly actionKey: string;
  readonly output: OutputLine;
}

export function OutputPanel({ actionKey, output }: Props) {
  const { source } = useShared();
  const [isOpen, setOpen] = useState(false);
  const file = source.address('/file', { key: actionKey, name: output.name });
  return (
    <details class="output" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        {output.name} <span class="tag">{output.kind}</span>
        <span class="brief">
          {' '}
          {formatBytes(output.bytes)}, {output.digest.slice(0, 12)}
        </span>
      </summary>
      {file !== undefined && (
        <p>
          <a href={file} download>
            Save it
          </a>
        </p>
      )}
      {isOpen && <Content words={{ key: actionKey, name: output.name }} />}
    </details>
  );
}

function Content({
  words,
}: {
  readonly words: { readonly key: string; readonly name: string; readonly path?: string };
}) {
  const { source } = useShared();
  const { value, problem, isLoading } = useAnswer<OutputView>('/api/output', words);
  const [path, setPath] = useState<string>();
  if (value === undefined) return isLoading ? <Empty>Reading …</Empty> : <Problem text={problem} />;
  const picture = value.hasPicture ? source.address('/picture', words) : undefined;
  return (
    <div class="content">
      <Problem text={value.problem} />
      {picture !== undefined && (
        <img class="picture" src={picture} alt={`picture of ${words.name}`} />
      )}
      {value.tensors && <Tensors tensors={value.tensors} />}
      {value.json !== undefined && <JsonContent json={value.json} />}
      {value.text !== undefined &&
        (value.long ? (
          <LongText head={value.text} long={value.long} words={words} />
        ) : (
          <TextContent text={value.text} />
        ))}
      {value.files && (
        <ul class="tasks">
          {value.files.map((file) => (
            <li key={file.path}>
              <button
                type="button"
                class="link"
                aria-expanded={path === file.path}
                onClick={() => setPath(path === file.path ? undefined : file.path)}
              >
                {file.path}
              </button>
              <span class="brief"> {formatBytes(file.bytes)}</span>
              {!source.isCopy && (
                <>
                  {' '}
                  <a href={source.address('/file', { ...words, path: file.path })} download>
                    save
                  </a>
                </>
              )}
              {path === file.path && <Content words={{ ...words, path: file.path }} />}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function JsonContent({ json }: { readonly json: Json }) {
  const table = rowsOfJson(json);
  return table ? <TextTableView table={table} /> : <ValueTree value={json} />;
}

function TextContent({ text }: { readonly text: string }) {
  const table = rowsOfText(text);
  return table ? <TextTableView table={table} /> : <Text text={text} label="text" />;
}

const Text = ({ text, label }: { readonly text: string; readonly label: string }) => (
  <pre tabIndex={0} aria-label={label}>
    {text}
  </pre>
);

/** A text of any size: its beginning and its end, and lines that are looked for by the server. */
function LongText({
  head,
  long: { tail, between, lines },
  words,
}: {
  readonly head: string;
  readonly long: NonNullable<OutputView['long']>;
  readonly words: Words;
}) {
  const { source } = useShared();
  const [text, setText] = useState('');
  const [find, setFind] = useState('');
  return (
    <>
      {!source.isCopy && (
        <form
          class="controls"
          onSubmit={(event) => {
            event.preventDefault();
            setFind(text);
          }}
        >
          <SearchField text={text} onText={setText} />
          <button type="submit">in all {lines} lines</button>
        </form>
      )}
      {find !== '' && <FoundLines words={{ ...words, find }} />}
      <Text text={head} label="beginning of the text" />
      <Empty>{formatBytes(between)} are left out here; save it to see all of it.</Empty>
      <Text text={tail} label="end of the text" />
    </>
  );
}

function FoundLines({ words }: { readonly words: Words }) {
  const { value, problem, isLoading } = useAnswer<OutputView>('/api/output', words, 600_000);
  if (value === undefined)
    return isLoading ? <Empty>Searching …</Empty> : <Problem text={problem} />;
  const { found = [], moreFound = 0 } = value;
  if (found.length === 0) return <Empty>No line holds it.</Empty>;
  return (
    <>
      <Text
        text={found.map(({ number, text }) => `${number + 1}  ${text}`).join('\n')}
        label="lines that were found"
      />
      {moreFound > 0 && <Empty>and {moreFound} more</Empty>}
    </>
  );
}

function TextTableView({ table: { head, rows, more } }: { readonly table: TextTable }) {
  return (
    <>
      <div class="wide tall" tabIndex={0} role="group" aria-label="table">
        <table class="plain">
          <thead>
            <tr>
              {head.map((name, at) => (
                <th key={at}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, at) => (
              <tr key={at}>
                {row.map((cell, column) => (
                  <td key={column}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {more > 0 && <Empty>and {more} more rows</Empty>}
    </>
  );
}

function Tensors({ tensors }: { readonly tensors: readonly TensorView[] }) {
  return (
    <div class="wide" tabIndex={0} role="group" aria-label="tensors">
      <table class="plain">
        <thead>
          <tr>
            <th>tensor</th>
            <th>type</th>
            <th>shape</th>
            <th>min</th>
            <th>mean</th>
            <th>max</th>
            <th>zeros</th>
            <th>histogram</th>
          </tr>
        </thead>
        <tbody>
          {tensors.map(({ name, type, shape, min, max, mean, zeros, histogram }) => (
            <tr key={name}>
              <td>{name}</td>
              <td>{type}</td>
              <td>{shape.join(' × ') || 'scalar'}</td>
              {[min, mean, max, zeros].map((value, at) => (
                <td key={at} class="number">
                  {value === undefined ? '' : formatNumber(value)}
                </td>
              ))}
              <td>
                {histogram && (
                  <Histogram
                    counts={histogram}
                    label={`histogram of ${name}, from ${formatNumber(min ?? 0)} to ${formatNumber(max ?? 0)}`}
                  />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Histogram({
  counts,
  label,
}: {
  readonly counts: readonly number[];
  readonly label: string;
}) {
  const most = Math.max(1, ...counts);
  return (
    <svg class="histogram" width={counts.length * 4} height={30} role="img" aria-label={label}>
      {counts.map((count, at) => {
        const height = (28 * count) / most;
        return <rect key={at} x={at * 4} y={30 - height} width={3} height={height} />;
      })}
    </svg>
  );
}

const ENTRIES = 100;

/** A JSON value that unfolds. */
export function ValueTree({ value, depth = 0 }: { readonly value: Json; readonly depth?: number }) {
  const [shown, setShown] = useState(ENTRIES);
  if (value === null || typeof value !== 'object')
    return <code class="value">{JSON.stringify(value)}</code>;
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  if (
    isList &&
    entries.length > 0 &&
    entries.every(([, one]) => one === null || typeof one !== 'object')
  ) {
    const text = JSON.stringify(value);
    return <code class="value">{text.length > 2000 ? `${text.slice(0, 2000)}…` : text}</code>;
  }
  if (entries.length === 0) return <code class="value">{isList ? '[]' : '{}'}</code>;
  return (
    <ul class="tree">
      {entries.slice(0, shown).map(([name, one]) => (
        <li key={name}>
          {one !== null && typeof one === 'object' ? (
            <details open={depth < 2}>
              <summary>{name}</summary>
              <ValueTree value={one} depth={depth + 1} />
            </details>
          ) : (
            <>
              <span class="name">{name}</span> <ValueTree value={one} depth={depth + 1} />
            </>
          )}
        </li>
      ))}
      {entries.length > shown && (
        <li>
          <button type="button" onClick={() => setShown(shown + 10 * ENTRIES)}>
            {entries.length - shown} more
          </button>
        </li>
      )}
    </ul>
  );
}
