// heap.ts — a binary heap

import { elementAt } from '../../present.ts';
/** Items of which the first, by an order, is at hand. */
export class Heap<T> {
  private readonly items: T[] = [];
  private readonly before: (a: T, b: T) => boolean;

  /** @param before whether one item comes before another */
  constructor(before: (a: T, b: T) => boolean) {
    this.before = before;
  }

  get size(): number {
    return this.items.length;
  }

  get first(): T {
    return elementAt(this.items, 0);
  }

  add(one: T): void {
    const { items, before } = this;
    let at = items.push(one) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = elementAt(items, up);
      if (!before(one, parent)) break;
      items[at] = parent;
      at = up;
    }
    items[at] = one;
  }

  /** Takes the first out; there must be one. */
  take(): T {
    const { items, before } = this;
    const first = elementAt(items, 0);
    const last = items.pop() as T;
    if (items.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      const next = down + 1;
      if (next < items.length && before(elementAt(items, next), elementAt(items, down)))
        down = next;
      const child = elementAt(items, down);
      if (!before(child, last)) break;
      items[at] = child;
      at = down;
    }
    items[at] = last;
    return first;
  }
}
