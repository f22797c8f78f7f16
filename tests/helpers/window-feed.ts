import { join } from 'node:path';
import type { Page } from 'playwright';
import type { StepRow } from '../../src-main/protocol/events.ts';
import { serve } from '../../src-main/shells/server/serve.ts';
import { epochRows, type ScriptedService } from './scripted-service.ts';

/** Steps that are there before anything is fed. */
export const FIRST_STEPS = 720;

/** The window as it is built, with a service that a test plays; runs in the root. */
export function serveScripted(service: ScriptedService): ReturnType<typeof serve> {
  return serve({
    ...{ port: 0, host: '127.0.0.1' },
    rendererFolder: join(process.cwd(), 'dist/renderer'),
    workstation: (emit) => {
      service.onEvent(emit);
      return { handlers: service.handlers, imageFile: () => null, close: () => Promise.resolve() };
    },
  });
}

/** Rows of steps, from step `first` on. */
export function stepRows(first: number, count: number): StepRow[] {
  const [template] = epochRows(6, true, 1) as [StepRow];
  return Array.from({ length: count }, (_, at): StepRow => {
    const step = first + at;
    const [time, loss] = [template.time + step * 10, 1 + Math.sin(step / 40)];
    return { ...template, step, stepsPerEpoch: 10_000, time, loss };
  });
}

/** Tells of rows as a trainer does that is quick: ten at a time, `times` times, and again once the window has drawn. */
export async function feed(page: Page, service: ScriptedService, run: string, from: number, times: number) {
  for (let time = from; time < from + times; time++) {
    service.append(run, stepRows(FIRST_STEPS + 10 * time + 1, 10));
    await page.evaluate(() => new Promise<number>((resolve) => void requestAnimationFrame(resolve)));
  }
}

/** What the page holds after a collection of garbage. */
export async function heap(page: Page): Promise<{ bytes: number; nodes: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  await session.detach();
  return { bytes: usedSize, nodes };
}
