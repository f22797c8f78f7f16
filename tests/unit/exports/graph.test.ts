import { beforeAll, expect, test } from 'vitest';
import type { Engine } from '../../../src-main/engines/engine.ts';
import { printGraph } from '../../../src-main/exports/export-graph.ts';
import { testEngine } from '../../helpers/engine.ts';
import { EXPORTED, exportedNetwork } from '../../helpers/exported-networks.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

test.for(Object.keys(EXPORTED))('the inference of %s, free of its batch', async (name) => {
  const { graph } = exportedNetwork(engine, EXPORTED[name]());
  await expect(printGraph(graph)).toMatchFileSnapshot(`graphs/${name}.txt`);
});
