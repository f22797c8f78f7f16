import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../../src-main/data/decode/png.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { saveCheckpoint, type StateTensor } from '../../src-main/runs/checkpoint.ts';
import { exportCheckpoint } from '../../src-main/runs/export.ts';
import { jsonLines, stillhouseHere, type Ended } from '../helpers/command-line.ts';
import { fileServer, type FileServer } from '../helpers/file-server.ts';
import { hashed, parameterValues } from '../helpers/generated.ts';
import { ownPlaces } from '../helpers/workstation.ts';
import { CLASSES, facts, newRun, recipe, temporaryFolder } from '../unit/runs/state.ts';

/**
 * Weights by address, and predictions, on the command line. The network, its weights and the image are those of
 * `parity/snippets.test.ts`; the answer is what timm 1.0.31 with torch 2.15 gave there.
 */
const ANSWER = { name: 'cat', probability: 0.430143 };
const [MODEL, SIZE] = ['deit_tiny_distilled_patch16_224', 112];
const folder = temporaryFolder();
const data = join(folder, 'data');
const places = ownPlaces();
let server: FileServer;
let address: string;

beforeAll(async () => {
  const bytes = readFileSync(await exported());
  const name = `${MODEL}-${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}.pth`;
  server = await fileServer({ [`/deit/${name}`]: bytes, '/photo.png': image() });
  address = `${server.url}/deit/${name}`;
  for (const split of ['train', 'val'])
    for (const name of CLASSES) {
      mkdirSync(join(data, split, name), { recursive: true });
      for (const at of [0, 1]) writeFileSync(join(data, split, name, `${at}.png`), image());
    }
});
afterAll(() => server.close());

function image(): Uint8Array {
  const width = 120;
  const pixels = Uint8Array.from(hashed('snippet', width * 90 * 3), (bits, at) => ((bits >>> 26) + at / 140) & 255);
  return encodePng({ width, height: 90, data: pixels });
}

async function exported(): Promise<string> {
  const { specs } = createModel(MODEL, { classes: CLASSES.length, inputSize: SIZE });
  const tensors = specs.map((spec): StateTensor => [`model.${spec.name}`, spec.shape, parameterValues(spec)]);
  const run = newRun();
  const about = { ...facts({ step: 30 }), recipe: recipe({ model: MODEL, inputSize: SIZE }) };
  const { file } = await saveCheckpoint(run, about, tensors);
  return (await exportCheckpoint(run, { checkpoint: file, format: 'pth', output: join(folder, 'weights.pth') })).path;
}

function stillhouse(...args: string[]): Promise<Ended> {
  const own = { STILLHOUSE_HOME: places.homeFolder, STILLHOUSE_CACHE: places.cacheFolder };
  const others = { TORCH_HOME: join(places.root, 'torch'), HF_HUB_CACHE: join(places.root, 'hub') };
  return stillhouseHere(args, { cwd: folder, env: { ...own, ...others } });
}

const lines = jsonLines;

interface Prediction {
  file: string;
  top: { name: string; probability: number }[];
}

const predictions = (ended: Ended) =>
  lines(ended).filter(({ type }) => type === 'prediction') as unknown as Prediction[];

describe('weights at an address', () => {
  const NETWORK = ['--model', MODEL, '--input-size', String(SIZE)];

  it("are scored by DeiT's own command, fetched once and checked by their name", async () => {
    const asked = await stillhouse('train', '--eval', '--resume', address, ...NETWORK, '--data-path', data);
    expect(asked.err).toContain('Weights: ');
    // All images are the same one, decided as its first class: a third of them right, all among the first five.
    expect(asked).toMatchObject({
      code: 0,
      out: expect.stringMatching(/\* Acc@1 33\.333 Acc@5 100\.000 loss \d/) as string,
    });
    const before = server.asked.length;
    const again = await stillhouse('evaluate', '--checkpoint', address, ...NETWORK, '--data-path', data, '--json');
    expect(again.code).toBe(0);
    expect(server.asked).toHaveLength(before);
    const stored = lines(await stillhouse('weights', '--json')).filter(({ type }) => type === 'stored');
    expect(stored).toMatchObject([{ facts: { address, checked: true } }]);
  });

  it('that cannot be had end with the address and the place for the file', async () => {
    const ended = await stillhouse('inspect', `${server.url}/deit/no-such-0a1b2c3d.pth`);
    expect(ended).toMatchObject({ code: 1, out: '' });
    expect(ended.err).toMatch(
      /no-such-0a1b2c3d\.pth could not be fetched: there is no such file.*put it at .*no-such/s,
    );
    expect(await stillhouse('inspect', 'http://example.invalid/a.pth')).toMatchObject({ code: 2 });
  });
});

describe('predict', () => {
  it('answers a file, a folder and an address as timm does, and names what it could not read', async () => {
    writeFileSync(join(folder, 'broken.jpg'), 'no image');
    mkdirSync(join(folder, 'others', '__MACOSX'), { recursive: true });
    for (const name of ['scan.tif', 'x.heic', '__MACOSX/1.png']) writeFileSync(join(folder, 'others', name), '');
    const weights = ['--checkpoint', join(folder, 'weights.pth'), '--model', MODEL, '--input-size', String(SIZE)];
    const photo = `${server.url}/photo.png`;
    const ended = await stillhouse('predict', join(data, 'val'), photo, 'broken.jpg', 'others', ...weights, '--json');
    const found = predictions(ended);
    expect(found.map(({ file }) => file)).toEqual([...CLASSES].sort().flatMap((name) => [0, 1].map((at) => join(data, 'val', name, `${at}.png`))).concat(photo)); // prettier-ignore
    for (const { top } of found) {
      expect(top[0].name).toBe(ANSWER.name);
      expect(top[0].probability).toBeCloseTo(ANSWER.probability, 3);
      expect(top.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
    }
    expect(ended.code).toBe(1);
    expect(ended.out).toContain('Left out: broken.jpg');
    expect(ended.out).toContain('1 × .heic, 1 × .tif');
    expect(ended.out).toContain('1 × __MACOSX');
    const csv = await stillhouse('predict', join(data, 'val', 'cat', '0.png'), ...weights, '--csv', '--top', '1');
    expect(csv).toMatchObject({ code: 0 });
    expect(csv.out.split('\r\n')[0]).toBe('file,rank,class,english,chinese,probability');
    expect(csv.out.split('\r\n')[1]).toMatch(/0\.png,1,cat,,,0\.43/);
  });

  it('asks for a network where none is named', async () => {
    const ended = await stillhouse('predict', join(data, 'val'));
    expect(ended).toMatchObject({
      code: 2,
      err: expect.stringContaining('--model NAME or --checkpoint FILE') as string,
    });
  });
});
