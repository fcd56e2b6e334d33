// registry.ts — the commands beside make, status and why
import { Argument, type Command, Option } from 'commander';
import { addArchives } from './archive-commands.ts';
import {
  examples,
  jobs,
  notNegative,
  positive,
  several,
  withCommon,
  withLists,
  withStore,
} from './terminal/options.ts';

type End = (code: number) => void;

/** Declares them. Each loads its own file when it runs. */
export function addCommands(root: Command, end: End): void {
  addWatch(root, end);
  addViews(root, end);
  addResults(root, end);
  addPlots(root, end);
  addHistory(root, end);
  addUpkeep(root, end);
  addBeginnings(root, end);
  addArchives(root, end);
}

function addWatch(root: Command, end: End): void {
  withCommon(root.command('watch [targets...]'))
    .description('make targets, and again whenever something changes that they rest on')
    .addOption(
      new Option('-j, --jobs <n>', 'tasks at once (default: one per core)').argParser(jobs),
    )
    .option('-k, --keep-going', 'after a failure, go on with what does not need it')
    .option('--mirror <dir|url>', 'look here first for data files (repeatable)', several)
    .option('-q, --quiet', 'say only what goes wrong')
    .addHelpText('after', examples('watch', 'watch report', 'watch report -j 2 --set seeds=[0]'))
    .action(async (targets, options) =>
      end(await (await import('./commands/watch.ts')).watch(targets, withLists(options))),
    );
}

function addViews(root: Command, end: End): void {
  withCommon(root.command('graph [targets...]'))
    .description('the stages and how they are connected')
    .option('--tasks', 'show tasks instead of stages')
    .addOption(
      new Option('--format <form>', 'form; by the ending of FILE when there is one')
        .choices(['text', 'mermaid', 'dot', 'svg', 'json'])
        .default('text'),
    )
    .option('-o, --output <file>', 'write it to a file')
    .addHelpText(
      'after',
      examples('graph', 'graph --format mermaid', 'graph report --tasks', 'graph -o study.svg'),
    )
    .action(async (targets, options, command) => {
      const formatGiven = command.getOptionValueSource('format') === 'cli';
      const given = { ...withLists(options), formatGiven };
      end(await (await import('./commands/graph.ts')).graph(targets, given));
    });

  withCommon(root.command('show <task[:output]>'))
    .description('the outputs of a task, or one output: JSON, tensors, pictures of tensors')
    .option(
      '-o, --output <file>',
      'write the output to a file; tensors are drawn if it ends in .png',
    )
    .addHelpText(
      'after',
      examples(
        'show report',
        'show rigl/synth-digits/128-64/0.9/erk/uniform/0:metrics',
        'show mask/synth-digits/128-64/0.9/erk/uniform/0:mask/layers.0 -o mask.png',
        'show report:html -o r.html',
      ),
    )
    .action(async (target, options) =>
      end(await (await import('./commands/show.ts')).show(target, withLists(options))),
    );

  withCommon(root.command('export <task:output> <file>'))
    .description(
      'write an output, one tensor of it, or outputs of a selection of tasks, for other tools',
    )
    .addOption(
      new Option('--format <form>', 'form (default: by the ending of FILE)').choices([
        'json',
        'csv',
        'npy',
        'safetensors',
        'raw',
      ]),
    )
    .option('--force', 'overwrite a file that exists')
    .addHelpText(
      'after',
      examples(
        'export rigl/synth-digits/128-64/0.9/erk/uniform/0:metrics metrics.json',
        'export rigl/synth-digits/128-64/0.9/erk/uniform/0:model/layers.0.values values.npy',
        'export rigl/synth-digits/128-64/0.9/erk/uniform/0:model model.safetensors --force',
        "export 'rigl[profile=uniform]:model' models/",
      ),
    )
    .action(async (target, file, options) =>
      end(
        await (await import('./commands/export.ts')).exportOutput(target, file, withLists(options)),
      ),
    );
}

/** Adds `pipeline metrics`. */
function addResults(root: Command, end: End): void {
  withCommon(root.command('metrics [stage]'))
    .description('a table over the matrix: the numbers in the JSON outputs of a stage')
    .option(
      '--where <condition>',
      'rows with this label or number, such as profile=uniform or loss<0.5 (repeatable)',
      several,
    )
    .option('--columns <names>', 'these numbers, with commas; * stands for anything')
    .option('--sort <names>', 'order rows by these columns; -NAME turns the order round')
    .option('--group-by <axes>', 'a row for each label: mean, SD, n and a 95 % interval')
    .option('--pivot <axis>', 'a column for each label of this axis')
    .addOption(new Option('--top <n>', 'the first rows, or the best').argParser(positive))
    .option('--at <step>', 'of a series: last (the default), best, or the value at a step')
    .option('--run <run>', 'what this run made or reused')
    .option('--against <run>', 'beside this run: differences, and what caused them')
    .addOption(
      new Option('--format <format>', 'format (default: table, or by the ending of FILE)').choices([
        'table',
        'csv',
        'tsv',
        'json',
        'md',
        'tex',
      ]),
    )
    .option('--all', 'on a terminal: every row and every column')
    .option('-o, --output <file>', 'write it to a file')
    .addHelpText(
      'after',
      examples(
        'metrics rigl --sort -accuracy --top 10',
        'metrics rigl --group-by profile --columns accuracy',
        "metrics 'rigl[profile=uniform]' --pivot sparsity",
        'metrics rigl:metrics --against last~1 --format csv',
      ),
    )
    .action(async (stage, options) =>
      end(await (await import('./results/metrics.ts')).metrics(stage, withLists(options))),
    );
}

/** Adds `pipeline plot`. */
function addPlots(root: Command, end: End): void {
  withCommon(root.command('plot [stage]'))
    .description('draw the numbers of a stage, or the plots that pipeline.yaml names')
    .addOption(
      new Option('--kind <kind>', 'what is drawn (default: by the matrix and the numbers)').choices(
        ['curves', 'dots', 'scatter', 'heatmap', 'parallel'],
      ),
    )
    .option('--x <name>', 'an axis, a number, or step')
    .option('--y <name>', 'a number; of a heat map, an axis')
    .option('--color <name>', 'an axis or a number')
    .option('--facet <axis>', 'a panel for each label of this axis')
    .option('--band <axis>', 'means and 95 % intervals over this axis')
    .option('--title <text>', 'what stands above it')
    .option('--where <condition>', 'tasks with this label or number (repeatable)', several)
    .option('--at <step>', 'of a series: last (the default), best, or the value at a step')
    .option('--run <run>', 'what this run made or reused')
    .addOption(
      new Option('--format <format>', 'format (default: svg, or by the ending of FILE)').choices([
        'svg',
        'html',
        'png',
        'pdf',
        'json',
      ]),
    )
    .option('-o, --output <file>', 'write it here (default: plots/NAME.svg); - is stdout')
    .addHelpText(
      'after',
      examples(
        'plot',
        'plot rigl',
        'plot rigl --x profile --y accuracy --color dataset -o accuracy.html',
        "plot 'sweep[dataset=synth-digits]' --kind heatmap --x sparsity --y profile -o grid.png",
      ),
    )
    .action(async (stage, options) =>
      end(await (await import('./results/plot.ts')).plot(stage, withLists(options))),
    );
}

function addHistory(root: Command, end: End): void {
  withStore(root.command('runs'))
    .description('the runs that made something, the newest first')
    .addOption(new Option('-n, --number <n>', 'so many (default: 20)').argParser(positive))
    .option(
      '--where <condition>',
      'runs with this state, name, tag, target, outcome or param (repeatable)',
      several,
    )
    .addHelpText('after', examples('runs', 'runs -n 3 --json', "runs --where 'lr=0.1,failed>0'"))
    .action(async (options) =>
      end(await (await import('./commands/runs.ts')).runs(withLists(options))),
    );

  withStore(root.command('diff'))
    .addArgument(new Argument('[before]', 'a run').default('last~1'))
    .addArgument(new Argument('[after]', 'another').default('last'))
    .description('what differs between two runs: its causes, then the numbers, the largest first')
    .option('--stage <name>', 'of this stage only (repeatable)', several)
    .option('--metric <name>', 'these numbers only; * stands for anything (repeatable)', several)
    .option('--all', 'show every row')
    .option('--html <file>', 'write a page with the reports of both, side by side')
    .addHelpText('after', examples('diff', 'diff last~3 last', 'diff 20260412T101502 3fa9 --json'))
    .action(async (before, after, options) =>
      end(await (await import('./commands/diff.ts')).diff(before, after, withLists(options))),
    );

  withStore(root.command('log <task>'))
    .description('what a task said when it ran, and the error that it ended with')
    .option('--run <run>', 'in this run (default: the last in which it ran)')
    .addHelpText(
      'after',
      examples('log report', 'log rigl/synth-digits/128-64/0.9/erk/uniform/0 --run last~1'),
    )
    .action(async (task, options) =>
      end(await (await import('./commands/log.ts')).log(task, withLists(options))),
    );

  withStore(root.command('tag <run> [tag]'))
    .description('mark a run, which is then found by that word; a tag moves from run to run')
    .option('--remove', 'take the tag away')
    .addHelpText('after', examples('tag last best', 'tag best', 'tag last best --remove'))
    .action(async (run, name, options) =>
      end(await (await import('./commands/tag.ts')).tag(run, name, withLists(options))),
    );

  for (const name of ['pin', 'unpin']) {
    const what =
      name === 'pin' ? 'keep what runs made, whatever gc drops' : 'let gc have them again';
    withStore(root.command(`${name} <runs...>`))
      .description(what)
      .addHelpText('after', examples(`${name} last`, `${name} 20260412T101502 3fa9`))
      .action(async (words, options) =>
        end(
          await (await import('./commands/runs.ts')).pin(words, name === 'pin', withLists(options)),
        ),
      );
  }
}

function addUpkeep(root: Command, end: End): void {
  withCommon(root.command('gc'))
    .description('drop what neither the pipeline nor the newest runs nor pinned runs reach')
    .option('-n, --dry-run', 'say what would go, and drop nothing')
    .addOption(
      new Option('--keep-runs <n>', 'keep what so many runs made (default: 10)').argParser(
        notNegative,
      ),
    )
    .option('--compact', 'give free space back to the disk (default: when half is free)')
    .option('--no-compact', 'leave the file as long as it is')
    .addHelpText(
      'after',
      examples('gc --dry-run', 'gc --keep-runs 3 --compact', 'gc --preset mnist'),
    )
    .action(async (options) =>
      end(await (await import('./commands/gc.ts')).gc(withLists(options))),
    );

  withStore(root.command('fsck'))
    .description('read everything in the store and tell what is wrong')
    .option('--repair', 'drop what is wrong, so that the next make puts it right')
    .addHelpText('after', examples('fsck', 'fsck --repair', 'fsck --json'))
    .action(async (options) =>
      end(await (await import('./commands/fsck.ts')).fsck(withLists(options))),
    );

  withStore(root.command('du'))
    .description('what takes up space in the store, by stage and kind')
    .addHelpText('after', examples('du', 'du --json'))
    .action(async (options) =>
      end(await (await import('./commands/du.ts')).du(withLists(options))),
    );

  withCommon(root.command('invalidate <targets...>'))
    .description('forget that tasks were made, so that the next make runs them')
    .addHelpText('after', examples('invalidate report', "invalidate 'rigl[profile=uniform]'"))
    .action(async (targets, options) =>
      end(await (await import('./commands/invalidate.ts')).invalidate(targets, withLists(options))),
    );
}

function addBeginnings(root: Command, end: End): void {
  withCommon(root.command('check'))
    .description('tell everything that is wrong with the pipeline, and run nothing')
    .option('--strict', 'treat warnings as errors')
    .addHelpText('after', examples('check', 'check --strict', 'check --json'))
    .action(async (options) =>
      end(await (await import('./commands/check.ts')).check(withLists(options))),
    );

  root
    .command('schema')
    .description('the JSON Schema of pipeline.yaml, for editors')
    .option('--json', 'accepted, and changes nothing')
    .addHelpText('after', examples('schema', 'schema > pipeline.schema.json'))
    .action(async () => end(await (await import('./commands/schema.ts')).schema()));

  root
    .command('completion')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .description('a script that completes commands, options, presets, stages and runs')
    .option('--json', 'accepted, and changes nothing')
    .addHelpText(
      'after',
      examples(
        'completion bash > ~/.local/share/bash-completion/completions/pipeline',
        'completion zsh > ~/.zfunc/_pipeline',
        'completion fish > ~/.config/fish/completions/pipeline.fish',
      ),
    )
    .action(async (shell) => end((await import('./commands/completion.ts')).completion(shell)));

  root
    .command('complete [words...]', { hidden: true })
    .description('what may stand at the end of some words: asked by the scripts of `completion`')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words) =>
      end(await (await import('./commands/completion.ts')).complete(root, words)),
    );

  root
    .command('init')
    .addArgument(new Argument('[dir]', 'a folder, made when missing').default('.'))
    .description('write a small pipeline that works at once')
    .option('--json', 'say what was written as JSON')
    .addHelpText('after', examples('init', 'init my-study'))
    .action(async (folder, options) =>
      end(await (await import('./commands/init.ts')).init(folder, options)),
    );
}
