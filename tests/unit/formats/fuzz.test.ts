import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { mutate, numbers, outcome, seedFiles } from './mutations.ts';

const folder = fileURLToPath(new URL('../../fixtures/formats', import.meta.url));

it('opens or refuses 300 mutated files', () => {
  const [files, draw] = [seedFiles(folder), numbers(1)];
  const counts: Record<string, number> = {};
  for (let i = 0; i < 300; i++) {
    const bytes = mutate(files, draw);
    const result = outcome(bytes);
    counts[result] = (counts[result] ?? 0) + 1;
  }
  // Both ways were taken: otherwise the mutations are too weak or too strong to prove anything.
  expect(counts.opened).toBeGreaterThan(20);
  expect(counts['weights.format']).toBeGreaterThan(100);
});
