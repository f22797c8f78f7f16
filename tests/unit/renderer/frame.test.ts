import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { onNextFrame } from '../../../src-renderer/components/charts/frame.ts';

let frames: (() => void)[] = [];
let now = 0;

beforeEach(() => {
  frames = [];
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => frames.push(draw));
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** What the next frame draws. */
function frame(drawn: string[]): string {
  drawn.length = 0;
  expect(frames.length).toBe(1);
  frames.shift()!();
  return drawn.join('');
}

test('a frame draws what there is time for, the urgent first, and the next one the rest', () => {
  const drawn: string[] = [];
  const charts = [...'abcd'].map((name) =>
    onNextFrame(
      () => {
        drawn.push(name);
        now += 5;
      },
      () => name === 'c',
    ),
  );
  const ask = () => charts.forEach((chart) => chart());
  ask();
  ask();
  expect(frame(drawn)).toBe('ca');
  ask();
  expect(frame(drawn)).toBe('cb');
  ask();
  // Those that wait longest come first, so each has its turn.
  expect(frame(drawn)).toBe('cd');
  expect(frame(drawn)).toBe('ab');
  expect(frames.length).toBe(0);
});

test('a drawing that asks again is drawn in the next frame', () => {
  const drawn: string[] = [];
  const draw = onNextFrame(
    () => {
      drawn.push('x');
      if (now++ === 0) draw();
    },
    () => false,
  );
  now = 0;
  draw();
  expect(frame(drawn)).toBe('x');
  expect(frame(drawn)).toBe('x');
  expect(frames.length).toBe(0);
});
