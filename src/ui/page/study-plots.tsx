/// <reference lib="dom" />
// study-plots.tsx — the plots that pipeline.yaml names, drawn by the server
import { useEffect, useRef, useState } from 'preact/hooks';
import { savePicture } from '../charts/save-chart.ts';
import type { PlotLine } from '../forms.ts';
import { Empty, Problem } from './bits.tsx';
import { useAnswer, useShared } from './state.ts';

export function StudyPlots() {
  const { value, problem } = useAnswer<readonly PlotLine[]>('/api/plots', {});
  if (value === undefined) return <Problem text={problem} />;
  if (value.length === 0) {
    return (
      <Empty>
        pipeline.yaml names no plots: <code>plots:</code> does.
      </Empty>
    );
  }
  return (
    <>
      {value.map((plot) => (
        <StudyPlot key={plot.name} plot={plot} />
      ))}
    </>
  );
}

/** A plot that the server draws: Vega is not in the page. */
function StudyPlot({ plot: { name, title } }: { readonly plot: PlotLine }) {
  const { source, overview } = useShared();
  const [problem, setProblem] = useState<string>();
  const image = useRef<HTMLImageElement>(null);
  const address = source.address('/plot.svg', { name });
  const version = source.isCopy ? '' : `&version=${hashText(overview?.version ?? '')}`;
  const why = async (): Promise<void> => {
    if (address === undefined || source.isCopy) return;
    const text = await fetch(address).then((answer) => answer.text());
    setProblem(text.startsWith('<svg') ? undefined : text);
  };
  useEffect(() => setProblem(undefined), [version]);
  return (
    <figure>
      <figcaption>
        {title}{' '}
        {address && (
          <a href={address} download={`${name}.svg`}>
            SVG
          </a>
        )}{' '}
        {address && !source.isCopy && problem === undefined && (
          <button
            type="button"
            onClick={() => image.current && savePicture(image.current, `${name}.png`)}
          >
            PNG
          </button>
        )}
      </figcaption>
      {address && problem === undefined ? (
        <img
          ref={image}
          class="plot"
          src={`${address}${version}`}
          alt={title}
          onError={() => void why().catch(() => undefined)}
        />
      ) : (
        <Empty>It could not be drawn{problem === undefined ? '' : `: ${problem}`}.</Empty>
      )}
    </figure>
  );
}

const hashText = (text: string): number => {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (31 * hash + text.charCodeAt(at)) | 0;
  return hash;
};
