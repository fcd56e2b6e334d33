// config.mjs — the site: which pages there are, how they hang together, and what makes them readable for everybody
import { defineConfig } from 'vitepress';

const page = (text, path) => ({ text, link: `/${path}` });

/** Pages have the paths that they have in the repository (stage.mjs); README.md is the first of them. */
export default defineConfig({
  title: 'pipeline',
  description: 'Reproducible machine-learning experiments: never compute the same result twice',
  lang: 'en',
  srcDir: 'pages',
  rewrites: { 'README.md': 'index.md', ':path(.*)/README.md': ':path/index.md' },
  outDir: 'dist',
  cacheDir: '.vitepress/cache',
  // Relative to wherever it is put: SITE_BASE=/pipeline/ for a folder of a server.
  base: process.env.SITE_BASE ?? '/',
  cleanUrls: false,
  lastUpdated: false,
  // Files that are no pages, which are there: the test of links looks at them.
  ignoreDeadLinks: [/\.ci\/run/, /LICENSE/, /CITATION\.cff/, /\.schema\.json/],
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    // A heading cell without text is no heading: Markdown has no other way to leave one empty.
    config: (md) => {
      md.core.ruler.push('empty-headings', ({ tokens }) => {
        for (const [at, { type, content }] of tokens.entries()) {
          if (type !== 'inline' || content !== '' || tokens[at - 1]?.type !== 'th_open') continue;
          tokens[at - 1].tag = 'td';
          tokens[at + 1].tag = 'td';
        }
      });
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    nav: [
      page('Tutorial', 'docs/tutorial'),
      page('Documentation', 'docs/index'),
      page('Changelog', 'CHANGELOG'),
    ],
    sidebar: [
      {
        text: 'Start',
        items: [
          page('What it is', ''),
          page('Installing', 'docs/installing'),
          page('Tutorial', 'docs/tutorial'),
          page('Examples', 'examples/'),
          page('Comparison with other tools', 'docs/comparison'),
        ],
      },
      {
        text: 'Guides',
        items: [
          page('Python studies', 'docs/guides/python'),
          page('Tables and plots', 'docs/metrics'),
          page('The live page', 'docs/ui'),
          page('Clusters', 'docs/cluster'),
          page('Sharing results', 'docs/guides/sharing'),
          page('Archives for reviewers', 'docs/guides/reviewing'),
          page('Notebooks', 'docs/guides/notebooks'),
          page('From DVC', 'docs/guides/from-dvc'),
          page('From Snakemake', 'docs/guides/from-snakemake'),
          page('Troubleshooting', 'docs/troubleshooting'),
        ],
      },
      {
        text: 'Reference',
        items: [
          page('pipeline.yaml', 'docs/pipeline-yaml'),
          page('Schema of pipeline.yaml', 'docs/reference/pipeline-schema'),
          page('Commands', 'docs/cli'),
          page('Every option', 'docs/reference/cli'),
          page('Settings', 'docs/settings'),
          page('What --json prints', 'docs/events'),
          page('Writing a stage', 'docs/stages'),
          page('The API of stages', 'docs/reference/stage-api'),
          page('Python module', 'docs/python'),
          page('Archives', 'docs/archive'),
          page('Remotes', 'docs/remote-cache'),
          page('What is promised where', 'docs/promises'),
          page('Glossary', 'docs/glossary'),
        ],
      },
      {
        text: 'The study of sparse networks',
        items: [
          page('Results', 'docs/results'),
          page('Claims', 'docs/claims'),
          page('Definitions', 'docs/science'),
          page('The report', 'docs/report'),
          page('Reports of a study of your own', 'docs/study-report'),
          page('Training', 'docs/training'),
          page('TensorFlow.js', 'docs/tensorflow'),
          page('Data sets', 'docs/data'),
        ],
      },
      {
        text: 'Project',
        items: [
          page('Changelog', 'CHANGELOG'),
          page('Contributing', 'CONTRIBUTING'),
          page('Architecture', 'ARCHITECTURE'),
          page('Benchmarks', 'bench/'),
          page('Security', 'SECURITY'),
          page('Code of conduct', 'CODE_OF_CONDUCT'),
        ],
      },
    ],
    footer: { message: 'MIT licence' },
  },
});
