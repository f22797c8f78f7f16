import type { Engine } from '../../engines/engine.ts';
import { loadEngine } from '../../engines/load.ts';
import { pjrtEngine } from '../../engines/pjrt/engine.ts';
import type { EngineChoice } from '../../jobs/job-protocol.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Accelerator } from '../../protocol/device.ts';
import { programsFolder } from '../../runs/places.ts';
import type { PjrtDevice } from '../../runtime/pjrt/client.ts';
import { ProgramCache } from '../../runtime/pjrt/program-cache.ts';
import { loadTensorFlow, type TensorFlowOptions } from '../../runtime/tensorflow.ts';
import { openDevices, openPlugin } from './open-plugin.ts';

/**
 * Opens the engine of a job: TensorFlow, or a plugin beside it.
 * @throws StillhouseError `engine.load`, `engine.corrupt`, `device.*`, and `gpu.*` for TensorFlow's.
 */
export async function openEngine(
  { engine, threads, gpu = null }: EngineChoice,
  threading?: TensorFlowOptions['threading'],
  cluster: TensorFlowOptions['cluster'] = null,
): Promise<Engine> {
  if (cluster && gpu !== null) throw new StillhouseError('ranks.processor');
  if (gpu === null || typeof gpu === 'number') return loadEngine(engine, { threads, gpu, threading, cluster });
  return openAccelerator(engine, gpu, threads);
}

async function openAccelerator(folder: string, chosen: Accelerator, threads?: number): Promise<Engine> {
  const plugin = openPlugin(chosen.folder, chosen.plugin);
  const client = await openDevices(plugin, chosen.plugin, chosen.devices);
  // The plugin takes each op of a program whole: parts of a batch, which the processor's lanes share, gain nothing.
  const tensorflow = await loadTensorFlow(folder, { threads, threading: 'ops' });
  const bfloat16 = client.platform !== 'cpu' && hasBfloat16(client.devices[0]);
  return pjrtEngine({ tensorflow, client, cache: new ProgramCache(programsFolder()), bfloat16 });
}

/** The first generation of NVIDIA's GPUs that multiplies bfloat16 in hardware (Ampere). */
const BFLOAT16_CAPABILITY = 8;

function hasBfloat16({ attributes }: PjrtDevice): boolean {
  const { compute_capability: capability } = attributes;
  // Those of other makers, as gfx942, are no numbers; all that their plugins know have it.
  return !(Number.parseFloat(String(capability)) < BFLOAT16_CAPABILITY);
}
