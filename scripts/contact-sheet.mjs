// contact-sheet.mjs — draws the first digits of synth-digits as one PNG: node scripts/contact-sheet.mjs FILE
import { writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import { PNG } from 'pngjs';

const file = process.argv[2] ?? 'contact-sheet.png';
const source = `export * from './src/data/synth-digits.ts'; export * from './src/data/contact-sheet.ts';`;
const { outputFiles } = await build({
  stdin: { contents: source, resolveDir: process.cwd() },
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
  banner: {
    js: "import{createRequire}from'node:module';const require=createRequire('file:///');",
  },
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { contactSheet, synthDigits, synthDigitsDefaults, synthDigitsShape } = await import(
  `data:text/javascript;base64,${code}`
);

const { train } = synthDigits({ ...synthDigitsDefaults, train: 300, test: 10 });
const { height, width } = synthDigitsShape;
const images = { data: train.samples, height, width };
const sheet = contactSheet(images, { columns: 25, rows: 12, scale: 2 });
const png = new PNG({ width: sheet.width, height: sheet.height });
sheet.pixels.forEach((gray, pixel) => {
  png.data.set([gray, gray, gray, 255], 4 * pixel);
});
writeFileSync(file, PNG.sync.write(png));
console.log(file);
