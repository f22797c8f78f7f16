import { vi } from 'vitest';

/** Milliseconds after which something counts as never coming: it ends what hangs, and is far beyond a busy machine. */
export const NEVER = 580_000;

/**
 * Tries again until `check` throws no more. @returns what it then gives. @throws what it threw last, after {@link NEVER}
 * @param interval milliseconds between two tries; more where one takes long
 */
export function eventually<Result>(check: () => Result | Promise<Result>, interval = 20): Promise<Result> {
  return vi.waitFor(check, { timeout: NEVER, interval });
}

/** Looks again until there is something true. @returns what that is */
export function eventuallyTrue<Result>(look: () => Result | Promise<Result>) {
  return vi.waitUntil(look, { timeout: NEVER, interval: 20 });
}

/** Lets the event loop of this process turn: whatever needs no disk and no timer comes so many steps further. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
