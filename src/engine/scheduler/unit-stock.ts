// unit-stock.ts — the units of one resource: whole ones, or one that small tasks share

/** Who else may have units: other makes. */
export interface UnitLeases {
  /** Takes a unit, or says who has it. */
  take(resource: string, unit: string): string | undefined;
  release(resource: string, unit: string): void;
}

/** Amounts of parts are sums of decimal fractions. */
const ROUNDING = 1e-9;

/** The units of a resource, and how much of each is in use here. */
export class UnitStock {
  private readonly used = new Map<string, number>();
  private readonly resource: string;
  private readonly units: readonly string[];
  private readonly leases: UnitLeases | undefined;
  /** Who has a unit that could not be had; undefined when none was missed. */
  heldBy: string | undefined;

  constructor(resource: string, units: readonly string[], leases: UnitLeases | undefined) {
    this.resource = resource;
    this.units = units;
    this.leases = leases;
  }

  /** Whether so much is free, as far as this process knows. */
  fits(amount: number): boolean {
    return this.candidates(amount).length >= Math.ceil(amount);
  }

  /** Takes so many units, or a part of one. Undefined, with nothing taken, when other makes have too many of them. */
  take(amount: number): readonly string[] | undefined {
    const wanted = Math.ceil(amount);
    const taken: string[] = [];
    this.heldBy = undefined;
    for (const unit of this.candidates(amount)) {
      if (taken.length === wanted) break;
      const isNew = !this.used.has(unit);
      const other = isNew ? this.leases?.take(this.resource, unit) : undefined;
      if (other === undefined) taken.push(unit);
      else this.heldBy ??= other;
    }
    const part = Math.min(amount, 1);
    for (const unit of taken) this.used.set(unit, (this.used.get(unit) ?? 0) + part);
    if (taken.length === wanted) return taken;
    this.give(taken, amount);
    return undefined;
  }

  give(units: readonly string[], amount: number): void {
    const part = Math.min(amount, 1);
    for (const unit of units) {
      const left = (this.used.get(unit) ?? 0) - part;
      if (left > ROUNDING) this.used.set(unit, left);
      else {
        this.used.delete(unit);
        this.leases?.release(this.resource, unit);
      }
    }
  }

  /** The units with enough left of them: those that are shared already come first, so that others stay whole. */
  private candidates(amount: number): readonly string[] {
    const part = Math.min(amount, 1);
    const fit = this.units.filter((unit) => (this.used.get(unit) ?? 0) + part <= 1 + ROUNDING);
    return fit.sort((a, b) => (this.used.get(b) ?? 0) - (this.used.get(a) ?? 0));
  }
}
