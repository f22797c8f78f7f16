import type { Engine } from '../../engines/engine.ts';
import { loadEngine } from '../../engines/load.ts';
import { pjrtEngine } from '../../engines/pjrt/engine.ts';
import type { EngineChoice } from '../../jobs/job-protocol.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Accelerator } from '../../protocol/device.ts';
import { programsFolder } from '../../runs/places.ts';
import type { PjrtClient } from '../../runtime/pjrt/client.ts';
import { openGpuLoad } from '../../runtime/nvml.ts';
import { ProgramCache } from '../../runtime/pjrt/program-cache.ts';
import { loadTensorFlow, type TensorFlowOptions } from '../../runtime/tensorflow.ts';
import { openDevices, openPlugin } from './open-plugin.ts';

/**
 * Opens the engine of a job: TensorFlow, or a plugin beside it.
 * @throws StillhouseError `engine.load`, `engine.corrupt`, `device.*`.
 */
export async function openEngine(
  { engine, threads, gpu = null }: EngineChoice,
  threading?: TensorFlowOptions['threading'],
  cluster: TensorFlowOptions['cluster'] = null,
): Promise<Engine> {
  if (cluster && gpu !== null) throw new StillhouseError('ranks.processor');
  return gpu ? openAccelerator(engine, gpu, threads) : loadEngine(engine, { threads, threading, cluster });
}

async function openAccelerator(folder: string, chosen: Accelerator, threads?: number): Promise<Engine> {
  const plugin = openPlugin(chosen.folder, chosen.plugin);
  const client = await openDevices(plugin, chosen.plugin, chosen.devices);
  // The plugin takes each op of a program whole: parts of a batch, which the processor's lanes share, gain nothing.
  const tensorflow = await loadTensorFlow(folder, { threads, threading: 'ops' });
  const loads = client.platform === 'cuda' ? chosen.devices.flatMap((ordinal) => openGpuLoad(ordinal) ?? []) : [];
  return pjrtEngine({ tensorflow, client, cache: new ProgramCache(programsFolder()), ...speedsOf(client), loads });
}

/** The first generation of NVIDIA's GPUs that multiplies bfloat16 and TF32 in hardware (Ampere). */
const AMPERE = 8;

/** Tells what the first device of a client multiplies in hardware. */
export function speedsOf({ platform, devices: [{ attributes }] }: Pick<PjrtClient, 'platform' | 'devices'>): {
  bfloat16: boolean;
  tf32: boolean;
} {
  if (platform === 'cpu') return { bfloat16: false, tf32: false };
  const capability = Number.parseFloat(String(attributes.compute_capability));
  // Those of other makers, as gfx942, are no numbers; all that their plugins know have bfloat16.
  return { bfloat16: !(capability < AMPERE), tf32: platform === 'cuda' && capability >= AMPERE };
}
