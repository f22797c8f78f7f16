import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Init } from '../../../src-main/model/model.ts';
import { createModel } from '../../../src-main/model/zoo.ts';

/**
 * How fresh parameters are spread, against those that timm makes (tests/parity/make-init-fixtures.py): DeiT as timm
 * 0.3.2, with which it was trained, the others as timm now. That values follow what is said here, init.test.ts of
 * train/ checks.
 */

type Summary = [mean: number, std: number, greatest: number];
type Lists = Record<string, Record<string, Summary>>;

const lists = ['timm-0.3.2', 'timm'].flatMap((source) => {
  const path = new URL(`../../fixtures/formats/init-${source}.json`, import.meta.url);
  return Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Lists);
});

/** The mean and deviation that an init says; of DeiT's truncation at ±2 nothing is to be seen at 0.02. */
function momentsOf(init: Init): [number, number] {
  switch (init.kind) {
    case 'zeros':
      return [0, 0];
    case 'ones':
      return [1, 0];
    case 'constant':
      return [init.value, 0];
    case 'uniform':
      return [0, init.bound / Math.sqrt(3)];
    default:
      return [0, init.std];
  }
}

it.each(lists)('%s starts as timm starts it', (model, summaries) => {
  const { specs } = createModel(model, { classes: 1000, inputSize: 224 });
  expect(specs.map(({ name }) => name).sort()).toEqual(Object.keys(summaries).sort());
  for (const { name, shape, init } of specs) {
    const [mean, std, greatest] = summaries[name];
    const [wantedMean, wantedStd] = momentsOf(init);
    const count = shape.reduce((product, side) => product * side, 1);
    // Five deviations of what a sample of this size shows; four digits are kept.
    const slack = 5 * wantedStd;
    expect(Math.abs(mean - wantedMean), `mean of ${name}`).toBeLessThanOrEqual(slack / Math.sqrt(count) + 1e-9);
    const spread = Math.abs(std - wantedStd);
    expect(spread, `std of ${name}`).toBeLessThanOrEqual(slack / Math.sqrt(2 * count) + 1e-4 * wantedStd);
    // A uniform draw ends at its bound, a normal one goes on.
    if (init.kind === 'uniform') expect(greatest, `greatest of ${name}`).toBeLessThanOrEqual(1.001 * init.bound);
    else if (wantedStd > 0 && count > 500) expect(greatest / std, `greatest of ${name}`).toBeGreaterThan(2.2);
  }
});
