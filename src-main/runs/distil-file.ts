import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePlan, type DistilPlan } from '../protocol/distillation.ts';
import { namesIn, writeFileAtomic } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';

/** Plans of distillations: `<home>/distillations/<id>/plan.json`. Whoever works on one holds the lock of its folder. */

/** Returns the folder of a plan. */
export function planFolder(home: string, id: string): string {
  return join(home, 'distillations', id);
}

/** Lists every plan, the newest first, without those that cannot be read. */
export function listPlans(home: string): DistilPlan[] {
  const plans = namesIn(join(home, 'distillations')).map((id) => readPlan(home, id));
  return plans.filter((plan) => plan !== null).sort((one, other) => other.created - one.created);
}

/** Reads a plan as it was kept last; null where there is none. */
export function readPlan(home: string, id: string): DistilPlan | null {
  if (!/^[\w-]{1,64}$/.test(id)) return null;
  try {
    return parsePlan(JSON.parse(readFileSync(join(planFolder(home, id), 'plan.json'), 'utf8')));
  } catch {
    return null;
  }
}

/** Keeps a plan. @throws StillhouseError `disk.full`, `disk.denied` */
export function writePlan(home: string, plan: DistilPlan): void {
  mkdirSync(planFolder(home, plan.id), { recursive: true });
  writeFileAtomic(join(planFolder(home, plan.id), 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`);
}

/** Forgets a plan; its runs stay. */
export function removePlan(home: string, id: string): void {
  if (readPlan(home, id)) removeNow(planFolder(home, id));
}
