// task-inputs.ts — what a task was given, or will be, for the page
import type { ActionRecord } from '../../engine/model/record.ts';
import type { Task } from '../../engine/planning/plan.ts';
import type { InputLine } from '../../ui/forms.ts';

const ITEMS_SHOWN = 50;

export function inputsOf(inputs: ActionRecord['parts']['inputs']): readonly InputLine[] {
  return Object.entries(inputs).map(([port, held]) => {
    if (!Array.isArray(held)) {
      const digest = held as string | null;
      return {
        port,
        items: [{ from: digest === null ? 'nothing' : 'one output', isTask: false, digest }],
        more: 0,
      };
    }
    const items = held.slice(0, ITEMS_SHOWN).map((item: readonly unknown[]) => {
      const isTask = item.length > 2;
      const digest = isTask ? item[2] : item[1];
      return { from: String(item[0]), isTask, digest: typeof digest === 'string' ? digest : null };
    });
    return { port, items, more: held.length - items.length };
  });
}

/** What a task that is not made yet will be given. */
export const inputsOfPlan = (task: Task | undefined): readonly InputLine[] =>
  Object.entries(task?.inputs ?? {}).map(([port, { links, files = [] }]) => {
    const items = [
      ...links.map((link) => ({ from: link.task as string, isTask: true, digest: null })),
      ...files.map(({ name }) => ({ from: name, isTask: false, digest: null })),
    ];
    return {
      port,
      items: items.slice(0, ITEMS_SHOWN),
      more: Math.max(0, items.length - ITEMS_SHOWN),
    };
  });

export function upstreamIn(inputs: ActionRecord['parts']['inputs']): readonly string[] {
  return Object.values(inputs).flatMap((held) =>
    Array.isArray(held)
      ? held.flatMap((item: readonly unknown[]) => (item.length > 2 ? [String(item[0])] : []))
      : [],
  );
}
