import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { imageMaker } from '../../src-main/data/decode/image.ts';
import { encodePng } from '../../src-main/data/decode/png.ts';
import { engineDecodeNow } from '../../src-main/job-process/images/engine-decode.ts';
import { evaluationRecipe } from '../../src-main/job-process/images/loader-recipe.ts';
import { setParams } from '../../src-main/job-process/training/train-state.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { writeNetwork } from '../../src-main/runs/export.ts';
import type { NetworkToWrite } from '../../src-main/runs/export-network.ts';
import { deciding } from '../../src-main/train/metrics.ts';
import { createEvalStep } from '../../src-main/train/step.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { readNetwork } from '../../src-main/weights/export-reader.ts';
import { testEngine } from '../helpers/engine.ts';
import { hashed, parameterValues } from '../helpers/generated.ts';
import { CLASSES, recipe, temporaryFolder } from '../unit/runs/state.ts';

/**
 * Exported folders as timm and transformers answer them (hub-folders.json, by check-hub-folders.py), and as we do. Where
 * a Python with both is found, they are asked anew. STILLHOUSE_TEST_PYTHON names another Python.
 */

interface Answer {
  made: string;
  logits: number[][];
  label: string;
  score: number;
}

/** By the name of the folder: network, height and width. */
const CASES: Record<string, [model: string, height: number, width: number]> = {
  'distilled-timm': ['deit_tiny_distilled_patch16_224', 48, 48],
  'distilled-huggingface': ['deit_tiny_distilled_patch16_224', 48, 48],
  'plain-huggingface': ['deit_tiny_patch16_224', 48, 48],
  'wide-timm': ['deit_tiny_patch16_224', 32, 48],
  'wide-huggingface': ['deit_tiny_distilled_patch16_224', 32, 48],
  'deit3-timm': ['deit3_small_patch16_224', 48, 48],
  'regnet-timm': ['regnety_002', 48, 48],
  'lite0-timm': ['tf_efficientnet_lite0', 48, 48],
  'resnet-timm': ['resnet18', 48, 48],
};
const FIXTURE = fileURLToPath(new URL('hub-folders.json', import.meta.url));
const SCRIPT = fileURLToPath(new URL('check-hub-folders.py', import.meta.url));
const python = process.env.STILLHOUSE_TEST_PYTHON ?? 'python3';
const hasPython = spawnSync(python, ['-c', 'import torch, timm, transformers, PIL']).status === 0;
const folder = temporaryFolder();
const pixels = (height: number, width: number) =>
  Uint8Array.from(hashed('hub', 2 * height * width * 3), (bits, at) => ((bits >>> 26) + at / 140) & 255);

beforeAll(async () => {
  // What the shorter edge is resized to: nothing is rounded, and beside the crop is an even number of pixels.
  const side = 60;
  const data = Uint8Array.from(hashed('image', side * side * 3), (bits, at) => ((bits >>> 27) + at / 140) & 255);
  writeFileSync(join(folder, 'image.png'), encodePng({ width: side, height: side, data }));
  for (const [name, [model, height, wide]] of Object.entries(CASES)) {
    const network = networkOf(model, height, wide);
    await writeNetwork(network, name.endsWith('-timm') ? 'timm' : 'huggingface', join(folder, name));
    writeFileSync(join(folder, `${name}.f32`), normalised(network, pixels(height, wide)));
  }
});

function networkOf(name: string, height: number, width: number): NetworkToWrite {
  const size = { inputSize: height, ...(width !== height && { inputWidth: width }) };
  const model = createModel(name, { classes: CLASSES.length, ...size });
  const arrays = model.specs.map((spec) => {
    const dtype = spec.integer ? ('I64' as const) : ('F32' as const);
    return { name: spec.name, shape: spec.shape, dtype, values: () => parameterValues(spec) };
  });
  const { mean, std } = model;
  const prepared = { ...size, cropRatio: 0.8, interpolation: 'bicubic', mean, std };
  return { model, arrays, classes: CLASSES, prepared, stood: null, heads: 'mean' };
}

/** [2, H, W, 3] → [2, 3, H, W] */
function normalised({ model: { mean, std } }: NetworkToWrite, images: Uint8Array): Uint8Array {
  const area = images.length / 6;
  const planes = Float32Array.from(images, (_, at) => {
    const [image, channel, place] = [Math.floor(at / (3 * area)), Math.floor(at / area) % 3, at % area];
    return (images[(image * area + place) * 3 + channel] / 255 - mean[channel]) / std[channel];
  });
  return new Uint8Array(planes.buffer);
}

async function ownAnswer(name: string): Promise<Omit<Answer, 'made'>> {
  const [, height, width] = CASES[name];
  const engine = await testEngine();
  const state = engine.newState();
  const { model, params, classes, prepared } = await readNetwork(join(folder, name), {});
  setParams(state, PREFIX.model, model.specs, params);
  const own = { ...model, mean: prepared.mean, std: prepared.std } as typeof model;
  const step = await createEvalStep(engine, state, { model: own, prefix: PREFIX.model, batchSize: 3 });
  const images = new Uint8Array(3 * height * width * 3);
  images.set(pixels(height, width));
  images.set(imageFor(prepared, engine), 2 * height * width * 3);
  const answers = [...deciding('mean', await step.run(images), CLASSES.length)];
  step.dispose();
  state.dispose();
  const [one, other, shown] = [0, 1, 2].map((at) => answers.slice(at * CLASSES.length, (at + 1) * CLASSES.length));
  const most = shown.indexOf(Math.max(...shown));
  const sum = shown.reduce((total, logit) => total + Math.exp(logit - shown[most]), 0);
  return { logits: [one, other], label: classes![most], score: 1 / sum };
}

function imageFor(
  { inputSize, cropRatio }: { inputSize: number; cropRatio: number },
  engine: Awaited<ReturnType<typeof testEngine>>,
): Uint8Array {
  const image = new Uint8Array(inputSize * inputSize * 3);
  const looks = { ...evaluationRecipe(recipe({ inputSize, evalCropRatio: cropRatio })), inputSize };
  imageMaker(looks, engineDecodeNow(engine.tensorflow)).fromFile(readFileSync(join(folder, 'image.png')), [['eval', image]], false); // prettier-ignore
  return image;
}

describe('a folder for the libraries of others', () => {
  const expected = (): Record<string, Answer> => JSON.parse(readFileSync(FIXTURE, 'utf8')) as Record<string, Answer>;

  // Not skipped where there is no Python: nothing is missing then.
  if (hasPython)
    it('is loaded and answered by timm and transformers', () => {
      const output = join(folder, 'answers.json');
      execFileSync(python, [SCRIPT, folder, output], { stdio: ['ignore', 'ignore', 'inherit'] });
      if (process.env.STILLHOUSE_WRITE_FIXTURES) copyFileSync(output, FIXTURE);
      const found = JSON.parse(readFileSync(output, 'utf8')) as Record<string, Answer>;
      for (const [name, { logits, ...others }] of Object.entries(expected())) {
        expect(found[name]).toMatchObject({ made: others.made, label: others.label });
        near(name, found[name].logits, logits);
      }
    }, 240_000);

  // Images that are not square are evaluated nowhere here, and parity.test.ts knows the other networks.
  it.each(['distilled-timm', 'distilled-huggingface', 'plain-huggingface', 'deit3-timm'])(
    '%s answers here what it answers there',
    async (name) => {
      const { logits, label, score } = expected()[name];
      const own = await ownAnswer(name);
      near(name, own.logits, logits);
      expect(own.label).toBe(label);
      expect(own.score).toBeCloseTo(score, 4);
    },
  );
});

function near(name: string, found: number[][], wanted: number[][]): void {
  const range = Math.max(...wanted.flat().map(Math.abs));
  const most = Math.max(...found.flat().map((value, at) => Math.abs(value - wanted.flat()[at])));
  expect([name, most < 1e-4 * Math.max(1, range)]).toEqual([name, true]);
}
