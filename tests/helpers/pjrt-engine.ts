import { join } from 'node:path';
import type { Engine } from '../../src-main/engines/engine.ts';
import { pjrtEngine } from '../../src-main/engines/pjrt/engine.ts';
import { cacheFolder } from '../../src-main/runs/places.ts';
import { ProgramCache } from '../../src-main/runtime/pjrt/program-cache.ts';
import { testEngine } from './engine.ts';
import { testClient } from './pjrt.ts';

/** Code that is made in a moment and runs slower. */
const COMPILED_FAST = { xla_backend_optimization_level: 0, xla_llvm_disable_expensive_passes: true };

/** The engine of accelerators over devices of the processor. Programs are kept between runs of the tests. */
export async function testPjrtEngine(devices = 1): Promise<Engine> {
  const { tensorflow } = await testEngine();
  const cache = new ProgramCache(join(cacheFolder(), 'programs', 'tests'));
  const client = await testClient(devices);
  return pjrtEngine({ tensorflow, client, cache, bfloat16: true, tf32: true, flags: COMPILED_FAST });
}
