import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import weightPins from '../../resources/engine/weights.json' with { type: 'json' };
import type { EngineStatus, SampleCost } from '../protocol/data-types.ts';
import { SAMPLE_BYTES, hasSample } from './sample-data.ts';

const TEACHER = 'tf_efficientnet_lite0';

/** What trying Stillhouse on its sample has still to download, part by part; 0 for what is there. */
export async function sampleCost(
  engine: EngineStatus,
  folders: { sample: string; weights: string },
): Promise<SampleCost> {
  const installed = engine.state === 'verified' || engine.state === 'unpacked';
  const pin = weightPins[TEACHER];
  const fetched = existsSync(join(folders.weights, basename(pin.members[0].path)));
  return {
    engine: installed ? 0 : Math.max(0, engine.bytesDownload - engine.bytesArrived),
    data: (await hasSample(folders.sample)) ? 0 : SAMPLE_BYTES,
    teacher: fetched ? 0 : pin.bytes,
  };
}
