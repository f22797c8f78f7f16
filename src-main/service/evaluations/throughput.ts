import { engineName } from '../../runs/places.ts';
import type { KeptThroughput } from '../../protocol/throughput.ts';
import { openRun } from '../../runs/run-folder.ts';
import { readThroughput, writeThroughput } from '../../runs/throughput-file.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import type { JobContext } from '../jobs/jobs.ts';
import { runJob } from '../jobs/run-job.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import { hardwareName } from '../system.ts';

interface Parts {
  engine: EngineManager;
  spawnJob: SpawnJob;
}

/**
 * Times how fast the networks of runs answer, and keeps it in their folders. What was measured on this machine by the same
 * engine stands; the same network is timed once. Nothing is kept when it is stopped.
 * @throws StillhouseError `run.missing`, `run.damaged`, `engine.*`, `device.*`
 */
export async function measureThroughputs(
  folders: readonly string[],
  { engine: desk, spawnJob }: Parts,
  context: JobContext,
): Promise<void> {
  const known = new Map<string, KeptThroughput>();
  for (const folder of folders) {
    context.signal.throwIfAborted();
    const { recipe, classes } = openRun(folder);
    const { engine, gpu } = await desk.choose(recipe.device);
    const here = { engine: engineName(gpu), machine: hardwareName() };
    const { model, inputSize } = recipe;
    const network = JSON.stringify([model, inputSize, classes.length, here.engine]);
    const kept = readThroughput(folder);
    if (kept?.engine === here.engine && kept.machine === here.machine) {
      known.set(network, kept);
      continue;
    }
    const job = { kind: 'throughput', engine, gpu, recipe, classes: classes.length } as const;
    const same = known.get(network);
    const found = same ?? (await runJob(spawnJob, job, context));
    if (!found) return;
    const measured = { ...found, ...here, model, inputSize, time: same?.time ?? Date.now() };
    known.set(network, measured);
    writeThroughput(folder, measured);
  }
}
