// far-executor.mjs — an executor from outside: it runs commands of a program that is nowhere on this machine
import { createHash } from 'node:crypto';

const output = (value) => {
  const content = new TextEncoder().encode(JSON.stringify(value));
  const digest = createHash('sha256').update(content).digest('hex');
  return { digest, bytes: content.length, content };
};

export default {
  name: 'far',
  accepts: ({ parts }) => parts.command?.argv[0] === 'far-away',
  open: () => ({
    name: 'far',
    async execute(action, hooks, signal) {
      hooks.begun();
      if (signal.aborted) return { status: 'stopped' };
      hooks.log(`far away, for ${action.task}`);
      const [, word, , addend] = action.parts.command.argv;
      if (word === 'fail') {
        const failure = { cause: 'infrastructure', message: 'the line is dead' };
        return { status: 'failed', failure };
      }
      const { content } = action.inputs.x.items[0];
      const sum = JSON.parse(new TextDecoder().decode(content)) + Number(addend);
      return { status: 'done', outputs: { sum: output(sum) } };
    },
    checkpointNow() {},
    async close() {},
  }),
};
