import { mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { EvaluateJob, JobResults } from '../../src-main/jobs/job-protocol.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { copyHubImages, makeHub } from '../helpers/hub-weights.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

/** What timm makes of the same weights and images (`tests/fixtures/hub/make-hub.py`). */
interface Score {
  loss: number;
  acc1: number;
}
const EXPECTED = JSON.parse(readFileSync(new URL('../fixtures/hub/expected.json', import.meta.url), 'utf8')) as {
  timm: string[];
  torchvision: string[];
  networks: Record<string, { timm: Score; torchvision: Score }>;
};

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-hub-'));
const data = join(folder, 'data');
const [, images] = ['train', 'val'].map((split) => copyHubImages(join(data, split)));
const names = join(folder, 'timm-order.txt');
writeFileSync(names, EXPECTED.timm.join('\n'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Evaluated = NonNullable<JobResults['evaluate']>;

async function evaluated(weights: string, more: Partial<EvaluateJob> = {}): Promise<Evaluated> {
  const job = { kind: 'evaluate', engine: engineFolder(), weights, settings: {}, folder: images, ...more } as const;
  return (await jobHere(job).done)!;
}

const scoreOf = ({ report }: Evaluated): Score => {
  const [{ nll, acc1 }] = report.facts.heads;
  return { loss: nll!, acc1 };
};
function expectScore(got: Score, { loss, acc1 }: Score): void {
  expect(got.loss).toBeCloseTo(loss, 3);
  expect(got.acc1).toBeCloseTo(acc1, 3);
}
const codesOf = ({ report }: Evaluated): string[] => report.facts.notes!.map(({ code }) => code);

describe.each(Object.keys(EXPECTED.networks))('a folder of the hub, %s', (model) => {
  const { timm, torchvision } = EXPECTED.networks[model];
  const hub = makeHub(join(folder, model), model);

  it('is scored as timm scores it, by the names in timm’s order', async () => {
    const result = await evaluated(hub, { classNames: names });
    expect(result.model).toBe(model);
    expectScore(scoreOf(result), timm);
    expect(codesOf(result)).toContain('evaluation.matched');
    expect(Math.abs(timm.loss - torchvision.loss)).toBeGreaterThan(0.005);
  });
});

it('a folder of the hub without names is scored in torchvision’s order as validation images, which is said', async () => {
  const model = 'vit_tiny_patch16_224';
  const hub = makeHub(join(folder, 'unnamed'), model);
  const result = await evaluated(hub, { folder: undefined, settings: { dataPath: data } });
  expectScore(scoreOf(result), EXPECTED.networks[model].torchvision);
  const [note] = result.report.facts.notes!.filter(({ code }) => code === 'weights.class-order');
  expect(note.params).toMatchObject({ order: '0, 1, 10, 2', natural: '0, 1, 2, 10' });
  expect(result.report.classes.map(({ name }) => name)).toEqual(EXPECTED.torchvision);
});

it('without its config the folder is refused, and another network would score otherwise', async () => {
  const bare = makeHub(join(folder, 'bare'), 'vit_tiny_patch16_224');
  unlinkSync(join(bare, 'config.json'));
  await expect(evaluated(bare, { classNames: names })).rejects.toMatchObject({ code: 'weights.ambiguous' });
  const { loss } = EXPECTED.networks.vit_tiny_patch16_224.timm;
  const other = await evaluated(bare, { classNames: names, settings: { model: 'deit_tiny_patch16_224' } });
  expect(Math.abs(scoreOf(other).loss - loss)).toBeGreaterThan(0.002);
  expect(codesOf(other)).toContain('weights.crop-deit');
});

it('of another number of classes than the data is refused with both numbers, and no teacher is blamed', async () => {
  const hub = makeHub(join(folder, 'four'), 'vit_tiny_patch16_224');
  const three = makeTinyData(join(folder, 'three'));
  const refused = evaluated(hub, { folder: undefined, settings: { dataPath: three } });
  await expect(refused).rejects.toMatchObject({
    code: 'weights.class-count',
    params: { weightClasses: 4, dataClasses: 3 },
  });
  await expect(refused).rejects.not.toThrow(/teacher/i);
});
