// heap.ts — a binary heap
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
    return this.items[0];
  }

  add(one: T): void {
    const { items, before } = this;
    let at = items.push(one) - 1;
    for (let up = (at - 1) >> 1; at > 0 && before(one, items[up]); up = (at - 1) >> 1) {
      items[at] = items[up];
      at = up;
    }
    items[at] = one;
  }

  /** Takes the first out; there must be one. */
  take(): T {
    const { items, before } = this;
    const first = items[0];
    const last = items.pop() as T;
    if (items.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down + 1 < items.length && before(items[down + 1], items[down])) down += 1;
      if (down >= items.length || !before(items[down], last)) break;
      items[at] = items[down];
      at = down;
    }
    items[at] = last;
    return first;
  }
}
