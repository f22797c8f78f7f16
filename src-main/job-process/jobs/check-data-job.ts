import { checkImages } from '../../data/check/check.ts';
import { listDataset } from '../../data/layout/folder.ts';
import { DataNotes } from '../../jobs/data-notes.ts';
import { archivesFolder, dataNotesFolder } from '../../runs/places.ts';
import { loadEngine } from '../../engines/load.ts';
import { engineDecode } from '../images/engine-decode.ts';
import { progressTeller, type JobContext } from '../job-context.ts';
import type { CheckJob, JobResults } from '../../jobs/job-protocol.ts';

/**
 * Decodes every image of a data set with the decoder that training uses, those on the list of excluded ones too.
 * Stopped, it reports what was checked until then.
 * @throws StillhouseError `data.no-folder`, `data.no-classes`, `data.vanished`, `engine.load`.
 */
export async function runCheckJob(job: CheckJob, context: JobContext): Promise<JobResults['check']> {
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  stage('data');
  const dataset = await listDataset(job.dataPath, {
    archiveCache: archivesFolder(),
    reading: new DataNotes(dataNotesFolder()).reading(job.dataPath),
  });
  stage('engine');
  const engine = await loadEngine(job.engine, { threads: job.threads });
  const onProgress = progressTeller(context, 'check');
  return checkImages(dataset, engineDecode(engine.tensorflow), {
    signal: context.stop,
    onProgress,
    results: job.results,
  });
}
