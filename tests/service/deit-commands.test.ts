import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../../src-main/data/decode/png.ts';
import { writeTorchFile } from '../../src-main/formats/torch-writer.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { stillhouseHere, type Ended } from '../helpers/command-line.ts';
import { fileServer, type FileServer } from '../helpers/file-server.ts';
import { hashed, parameterValues } from '../helpers/generated.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { ownPlaces } from '../helpers/workstation.ts';
import { temporaryFolder } from '../unit/runs/state.ts';
import fixture from '../parity/commands.json' with { type: 'json' };

/** The commands of DeiT's README, `stillhouse train` in place of `python main.py`, with smaller networks and images. */
const folder = temporaryFolder();
const places = ownPlaces();
let server: FileServer;

beforeAll(async () => {
  server = await fileServer();
});
afterAll(() => server.close());

/** Serves a state dict as DeiT's are, its name ending in its hash. @returns the address. */
function publish(model: string, classes: number, inputSize: number, own: Record<string, number[]> = {}): string {
  const { specs } = createModel(model, { classes, inputSize });
  const arrays = specs.map((spec) => {
    const values = own[spec.name] ? Float32Array.from(own[spec.name]) : parameterValues(spec);
    const gain = own[spec.name.replace('.weight', '.bias')] && !own[spec.name] ? fixture.gain : 1;
    return { name: spec.name, dtype: 'F32' as const, shape: spec.shape, values: values.map((value) => value * gain) };
  });
  const bytes = Buffer.concat([...writeTorchFile(arrays, { wrap: 'model' })]);
  const path = `/deit/${model}-${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}.pth`;
  server.files.set(path, bytes);
  return `${server.url}${path}`;
}

function stillhouse(command: string): Promise<Ended> {
  const env = { STILLHOUSE_HOME: places.homeFolder, STILLHOUSE_CACHE: places.cacheFolder };
  const others = { TORCH_HOME: join(places.root, 'torch'), HF_HUB_CACHE: join(places.root, 'hub') };
  return stillhouseHere(command.split(' '), { cwd: folder, env: { ...env, ...others } });
}

describe('an evaluation of published weights', () => {
  const data = join(folder, 'images');

  beforeAll(() => {
    fixture.labels.forEach((label, index) => {
      for (const split of ['train', 'val']) {
        mkdirSync(join(data, split, String(label)), { recursive: true });
        writeFileSync(join(data, split, String(label), `${index}.png`), image(index));
      }
    });
  });

  it.each(fixture.cases)('of $model at $inputSize prints what timm and torch give', async (asked) => {
    const { model, inputSize, acc1, acc5, loss, biases } = asked;
    const own = Object.fromEntries(Object.entries(biases)) as Record<string, number[]>;
    const address = publish(model, Math.max(...fixture.labels) + 1, inputSize, own);
    const words = `train --eval --resume ${address} --model ${model} --input-size ${inputSize} --batch-size 8 --data-path ${data}`;
    const { code, out, err } = await stillhouse(words);
    expect(code, err).toBe(0);
    const found = /\* Acc@1 ([\d.]+) Acc@5 ([\d.]+) loss ([\d.]+)/.exec(out)!.slice(1).map(Number);
    expect(found[0]).toBe(acc1);
    expect(found[1]).toBe(acc5);
    // Resizing rounds single pixels by one; three decimals are printed.
    expect(found[2]).toBeCloseTo(loss, 2);
    expect(out).toContain('Accuracy of the network on the 8 test images: 50.0%');
  });
});

/** The twin of `image` in make-command-fixture.py. */
function image(index: number): Uint8Array {
  const width = fixture.widths[index];
  const bits = hashed(`command.${index}`, width * 90 * 3);
  const slope = (at: number): number => Math.floor(at / (140 + 60 * index)) + 20 * index;
  return encodePng({ width, height: 90, data: Uint8Array.from(bits, (bit, at) => ((bit >>> 26) + slope(at)) & 255) });
}

describe('a training from published weights', () => {
  const data = makeTinyData(join(folder, 'data'));
  const SMALL = '--input-size 32 --epochs 1 --warmup-epochs 0 --num_workers 1';

  it('of a model alone trains it from scratch', async () => {
    const model = 'deit_tiny_patch16_224';
    const words = `train --model ${model} --batch-size 24 --data-path ${data} --output_dir ${model}`;
    const { code, out, err } = await stillhouse(`${words} ${SMALL}`);
    expect(code, err).toBe(0);
    expect(err).toContain('steps of 24 images an epoch');
    expect(out).toMatch(/Best after epoch 1: \* Acc@1 [\d.]+/);
    expect(existsSync(join(folder, model, 'log.txt'))).toBe(true);
  });

  it('starts with a teacher at an address, as on a cluster', async () => {
    const teacher = publish('regnety_002', 3, 32);
    const words = `train --model test_deit_distilled_patch16_32 --distillation-type hard --teacher-model regnety_002`;
    const more = `--teacher-path ${teacher} --use_volta32 --batch-size 16 --data-path ${data} --output_dir hard`;
    const { code, err } = await stillhouse(`${words} ${more} ${SMALL}`);
    expect(code, err).toBe(0);
    expect(err).toContain('--use_volta32 changes nothing here: Of `stillhouse submit`');
    expect(err).toContain('steps of 256 images. Here a step has 16');
    expect(err).toContain('hard distillation from regnety_002');
  });

  it('fine-tunes from an address at a larger size', async () => {
    const start = publish('test_deit_patch16_32', 1000, 32);
    const words = `train --model test_deit_patch16_32 --batch-size 32 --finetune ${start} --use_volta32 --nodes 2`;
    const rates = '--lr 5e-6 --weight-decay 1e-8 --min-lr 5e-6';
    const sized = SMALL.replace('32', '64');
    const { code, err } = await stillhouse(`${words} ${rates} ${sized} --data-path ${data} --output_dir tuned`);
    expect(code, err).toBe(0);
    expect(err).toContain('--nodes changes nothing here');
    expect(err).toContain('--batch-size 512 --micro-batch 32');
  });
});
