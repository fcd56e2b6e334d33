/// <reference lib="dom" />
// save-chart.ts — saves a chart as SVG or PNG, with its legend

/** What the style sheet says of an element is written into it: a file has no style sheet. */
const STYLED = [
  'fill',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linejoin',
  'paint-order',
  'font-size',
  'font-family',
  'opacity',
  'text-anchor',
];

function standalone(svg: SVGSVGElement, legend: LegendProps | undefined): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const own = [svg, ...svg.querySelectorAll('*')];
  for (const [at, element] of [copy, ...copy.querySelectorAll('*')].entries()) {
    const from = own[at];
    if (from === undefined) continue;
    const style = getComputedStyle(from);
    for (const property of STYLED) {
      const value = style.getPropertyValue(property);
      if (value !== '') element.setAttribute(property, value);
    }
    element.removeAttribute('class');
    element.removeAttribute('style');
  }
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const { width, height: charted } = svg.getBoundingClientRect();
  const names = legend && legend.names.length > 1 ? legend.names : [];
  const height = charted + names.length * LEGEND_ROW;
  for (const [at, name] of names.entries()) {
    const y = charted + at * LEGEND_ROW;
    copy.append(
      drawn('rect', { x: 8, y: y + 6, width: 14, height: 4, fill: legend?.colours[at] ?? '' }),
      drawn('text', { ...LEGEND_TEXT, x: 28, y: y + 12, fill: getComputedStyle(svg).color }, name),
    );
  }
  const paper = drawn('rect', {
    width,
    height,
    fill: getComputedStyle(document.body).backgroundColor,
  });
  copy.prepend(paper);
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  return new XMLSerializer().serializeToString(copy);
}

const LEGEND_ROW = 18;
const LEGEND_TEXT = { 'font-size': '12px', 'font-family': 'system-ui, sans-serif' };

function drawn(
  tag: 'rect' | 'text',
  attributes: { readonly [name: string]: string | number },
  text = '',
): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.textContent = text;
  return element;
}

export function saveSvg(
  svg: SVGSVGElement | null,
  legend: LegendProps | undefined,
  name: string,
): void {
  if (svg) save(name, new Blob([standalone(svg, legend)], { type: 'image/svg+xml' }));
}

export async function savePng(
  svg: SVGSVGElement | null,
  legend: LegendProps | undefined,
  name: string,
): Promise<void> {
  if (svg === null) return;
  const image = new Image();
  const drawing = new Blob([standalone(svg, legend)], { type: 'image/svg+xml' });
  image.src = URL.createObjectURL(drawing);
  await image.decode();
  savePicture(image, name);
  URL.revokeObjectURL(image.src);
}

/** A picture as PNG, with two points for each of its own. */
export function savePicture(image: HTMLImageElement, name: string): void {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [2 * image.naturalWidth, 2 * image.naturalHeight];
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => {
    if (blob) save(name, blob);
  });
}

export interface LegendProps {
  readonly names: readonly string[];
  readonly colours: readonly string[];
}

/** Saves something that this page has made. */
function save(name: string, content: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
