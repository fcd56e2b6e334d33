// finding.ts — what is wrong with an archive, one line each, with its place

/** Something that an archive must not be or hold. */
export interface Finding {
  /** A file of the archive, and where in it: `data/traces.jsonl:17`, `data/study.json: tasks[3].key`. */
  readonly place: string;
  readonly message: string;
}

/** More than this are counted and not told: an archive may be hostile. */
const TOLD_MAX = 200;

/** Collects what is wrong. */
export class Findings {
  readonly list: Finding[] = [];
  private unheard = 0;

  /** Texts of the archive reach a terminal: nothing in them may steer it. */
  readonly say = (place: string, message: string): void => {
    if (this.list.length < TOLD_MAX) {
      this.list.push({ place: printable(place), message: printable(message) });
    } else this.unheard += 1;
  };

  /** How many there are. */
  get count(): number {
    return this.list.length + this.unheard;
  }
}

/** Says what is wrong, and where. */
export type Say = Findings['say'];

/** A text on one line, without control characters, and not endless. */
export function printable(text: string, most = 400): string {
  const plain = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '?');
  return plain.length <= most ? plain : `${plain.slice(0, most)}…`;
}

/** An archive that cannot be read any further: what is wrong with it has been said. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}
