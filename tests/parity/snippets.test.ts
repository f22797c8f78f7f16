import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { imageMaker } from '../../src-main/data/decode/image.ts';
import { encodePng } from '../../src-main/data/decode/png.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { defaultRecipe } from '../../src-main/protocol/recipe.ts';
import type { StateTensor } from '../../src-main/runs/checkpoint.ts';
import { saveCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { exportCheckpoint } from '../../src-main/runs/export.ts';
import { engineDecodeNow } from '../../src-main/job-process/images/engine-decode.ts';
import { readNetwork } from '../../src-main/weights/export-reader.ts';
import { evaluationRecipe } from '../../src-main/job-process/images/loader-recipe.ts';
import { setParams } from '../../src-main/job-process/training/train-state.ts';
import { deciding } from '../../src-main/train/metrics.ts';
import { createEvalStep } from '../../src-main/train/step.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { pythonSnippet } from '../../src-renderer/components/export/load-snippets.ts';
import { testEngine } from '../helpers/engine.ts';
import { hashed, parameterValues } from '../helpers/generated.ts';
import { CLASSES, facts, newRun, recipe, temporaryFolder } from '../unit/runs/state.ts';

/**
 * The lines that the window gives for loading an export, run as they stand. What they printed with torch 2.15 and timm
 * 1.0.31 is ANSWER; where no Python with both is found, our own answer on the same file and image has to be that.
 * STILLHOUSE_TEST_PYTHON names another Python.
 */
const ANSWER = { name: 'cat', probability: 0.430143 };

// Margins of the crop are even at this size: halves are rounded as by DeiT's torchvision 0.8.1 here, otherwise by newer.
const [MODEL, SIZE] = ['deit_tiny_distilled_patch16_224', 112];
const python = process.env.STILLHOUSE_TEST_PYTHON ?? 'python3';
const hasTorch = spawnSync(python, ['-c', 'import torch, timm, safetensors, PIL']).status === 0;
const folder = temporaryFolder();
const exported: { path: string; format: 'safetensors' | 'pth'; wrapped: boolean }[] = [];

beforeAll(async () => {
  const width = 120;
  const data = Uint8Array.from(hashed('snippet', width * 90 * 3), (bits, at) => ((bits >>> 26) + at / 140) & 255);
  writeFileSync(join(folder, 'image.jpg'), encodePng({ width, height: 90, data }));
  const { specs } = createModel(MODEL, { classes: CLASSES.length, inputSize: SIZE });
  const tensors = (prefix: string) => specs.map((spec): StateTensor => [prefix + spec.name, spec.shape, parameterValues(spec)]); // prettier-ignore
  for (const modelEma of [false, true]) {
    const run = newRun();
    const about = { ...facts({ step: 30 }), recipe: recipe({ model: MODEL, inputSize: SIZE, modelEma }) };
    const state = [...tensors('model.'), ...(modelEma ? tensors('ema.') : [])];
    const checkpoint = (await saveCheckpoint(run, about, state)).file;
    for (const format of ['safetensors', 'pth'] as const) {
      const output = join(folder, `${modelEma ? 'with' : 'without'}.${format}`);
      const { path } = await exportCheckpoint(run, { checkpoint, format, output });
      exported.push({ path, format, wrapped: modelEma && format === 'pth' });
    }
  }
});

describe('an export loaded as the window says', () => {
  it('answers here what it answers with timm', async () => {
    const engine = await testEngine();
    const state = engine.newState();
    const { model, params, classes, recipe } = await readNetwork(exported[0].path, {});
    setParams(state, PREFIX.model, model.specs, params);
    const images = new Uint8Array(SIZE * SIZE * 3);
    const maker = imageMaker(evaluationRecipe(recipe), engineDecodeNow(engine.tensorflow));
    maker.fromFile(readFileSync(join(folder, 'image.jpg')), [['eval', images]], false);
    const step = await createEvalStep(engine, state, { model, prefix: PREFIX.model, batchSize: 1 });
    const logits = deciding(defaultRecipe().evalHeads, await step.run(images), CLASSES.length);
    step.dispose();
    state.dispose();
    const [probability, label] = likeliest(logits);
    expect(classes![label]).toBe(ANSWER.name);
    // Resizing rounds single pixels by one.
    expect(probability).toBeCloseTo(ANSWER.probability, 3);
  });

  // Not skipped where there is no torch: nothing is missing then.
  if (hasTorch)
    it('answers so with timm, from every kind of file', () => {
      expect(exported.map(({ wrapped }) => wrapped)).toEqual([false, false, false, true]);
      for (const one of exported) {
        const code = pythonSnippet({ model: MODEL, classes: CLASSES.length, inputSize: SIZE, ...one });
        const [name, probability] = execFileSync(python, ['-c', code], { cwd: folder, encoding: 'utf8' })
          .trim()
          .split(' ');
        expect([one.path, name]).toEqual([one.path, ANSWER.name]);
        expect(Number(probability)).toBeCloseTo(ANSWER.probability, 5);
      }
    }, 240_000);
});

function likeliest(logits: Float32Array): [probability: number, label: number] {
  const label = logits.indexOf(Math.max(...logits));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - logits[label]), 0);
  return [1 / sum, label];
}
