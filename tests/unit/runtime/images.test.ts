import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import type { Engine } from '../../../src-main/engines/engine.ts';
import { decodeImage } from '../../../src-main/runtime/images.ts';
import { testEngine } from '../../helpers/engine.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

test('decoding keeps nothing of the files it has read', async () => {
  const image = readFileSync(new URL('../../fixtures/images/plain.jpg', import.meta.url));
  // What follows an image's end is not looked at, but it is handed over with the rest: 4 MB a call.
  const file = Buffer.concat([image, Buffer.alloc(4e6)]);
  const decode = async (times: number): Promise<number> => {
    for (let index = 0; index < times; index++) await decodeImage(engine.tensorflow, file);
    return process.memoryUsage().rss;
  };
  const before = await decode(10);
  expect((await decode(60)) - before).toBeLessThan(80e6);
});
