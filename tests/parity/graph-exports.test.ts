import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import type { Engine } from '../../src-main/engines/engine.ts';
import { testEngine } from '../helpers/engine.ts';
import { EXPORTED, exportedNetwork } from '../helpers/exported-networks.ts';
import { exportsOf, hashOf, writeExports } from './graph-exports.ts';

/** A folder to write the exports to, in place of the tests: see `check-graph-exports.py`. */
const FOLDER = process.env.STILLHOUSE_WRITE_EXPORTS;

/** What onnx's checker, onnxruntime, OpenVINO, TensorFlow and TFLite said to these very files. */
interface Checked {
  exports: Record<string, Record<string, { sha256: string; differences: Record<string, number> }>>;
}

/** Differences by rounding, as a share of the greatest logit. */
const ALLOWED: Record<string, number> = { 'onnx-float16': 1e-2, 'onnx-int8': 0.15 };

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

if (FOLDER)
  test('writes the exports for Python', () => {
    writeExports(engine, FOLDER);
    expect(existsSync(`${FOLDER}/exports.json`)).toBe(true);
  });

test.for(FOLDER ? [] : Object.keys(EXPORTED))('programs in Python read every export of %s', (family) => {
  const file = new URL('graph-exports.json', import.meta.url);
  const checked = (JSON.parse(readFileSync(file, 'utf8')) as Checked).exports[family];
  const { graph } = exportedNetwork(engine, EXPORTED[family]());
  for (const { variant, files } of exportsOf(graph)) {
    const { sha256, differences } = checked[variant];
    expect(hashOf(files), `${variant}: it is another file than the one that was checked`).toBe(sha256);
    expect(Object.keys(differences).length, variant).toBeGreaterThan(2);
    for (const [program, difference] of Object.entries(differences))
      expect(difference, `${variant} in ${program}`).toBeLessThan(ALLOWED[variant] ?? 2e-5);
  }
});
