// causes.ts — what made two runs differ, in words
import { type Causes, type FileChange, isSame } from '../../analysis/causes.ts';
import type { Json } from '../../engine/model/key.ts';
import { brief } from './format.ts';

/** More lines than this of one kind are counted. */
const LINES_SHOWN = 12;

const formatValue = (value: Json | undefined): string =>
  value === undefined ? '–' : brief(value, 40);

/** A line for each thing that differs. @param most of each kind */
export function formatCauses(causes: Causes, most = LINES_SHOWN): readonly string[] {
  const { params, sources, code, inputs, tools } = causes;
  if (isSame(causes)) return ['no param, source, input or tool differs'];
  const file = ({ file: name, change }: FileChange): string => `${name} ${change}`;
  return [
    ...some(
      'param',
      params.map((d) => `${d.path}: ${formatValue(d.before)} → ${formatValue(d.after)}`),
      most,
    ),
    ...some('source', sources.map(file), most),
    ...some(
      'code',
      code.map((stage) => `stage ${stage} changed`),
      most,
    ),
    ...some('input', inputs.map(file), most),
    ...some(
      'tool',
      tools.map((d) => `${d.path}: ${formatValue(d.before)} → ${formatValue(d.after)}`),
      most,
    ),
  ];
}

function some(kind: string, lines: readonly string[], most: number): readonly string[] {
  const shown = lines.slice(0, most).map((line) => `${kind.padEnd(6)} ${line}`);
  const more = lines.length - shown.length;
  return more > 0 ? [...shown, `${kind.padEnd(6)} … and ${more} more`] : shown;
}
