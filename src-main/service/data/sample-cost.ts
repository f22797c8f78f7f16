import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import weightPins from '../../../resources/engine/weights.json' with { type: 'json' };
import type { EngineStatus, SampleCost } from '../../protocol/data-types.ts';
import { SAMPLE_BYTES, hasSample } from './sample-data.ts';

/** Tells whether all files of an engine are whole. */
export const isInstalled = ({ state }: EngineStatus): boolean => state === 'verified' || state === 'unpacked';

const TEACHER = 'tf_efficientnet_lite0';

/** Counts the bytes that a try on the sample still has to download, part by part; 0 for parts that are there. */
export async function sampleCost(
  engine: EngineStatus,
  folders: { sample: string; weights: string },
): Promise<SampleCost> {
  const installed = isInstalled(engine);
  const pin = weightPins[TEACHER];
  const fetched = existsSync(join(folders.weights, basename(pin.members[0].path)));
  return {
    engine: installed ? 0 : Math.max(0, engine.bytesDownload - engine.bytesArrived),
    data: (await hasSample(folders.sample)) ? 0 : SAMPLE_BYTES,
    teacher: fetched ? 0 : pin.bytes,
  };
}
