import { join } from 'node:path';
import { StillhouseError } from '../../protocol/errors.ts';
import {
  ANSWERING,
  type Answering,
  type EvaluatedPage,
  type EvaluationFacts,
  type EvaluationReport,
} from '../../protocol/evaluation.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { CallParams, Handlers } from '../../protocol/service.ts';
import { bestCheckpoint, latestCheckpoint } from '../../runs/checkpoint.ts';
import { evaluationsFolder, listEvaluations, readAnswers, removeEvaluation, type KeptAnswers } from '../../runs/evaluation-file.ts'; // prettier-ignore
import { checkpointsFolder } from '../../runs/run-folder.ts';
import { absolute, type Datasets } from '../data/datasets.ts';
import { orNull } from '../../train/report.ts';
import type { EngineManager } from '../engine/engine-manager.ts';
import { keepPlace, looseEvaluations } from './evaluation-place.ts';
import { reportOf } from '../../jobs/evaluation-report.ts';
import type { JobContext, Jobs } from '../jobs/jobs.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import type { RunStore } from '../runs/run-store.ts';
import { runJob } from '../jobs/run-job.ts';

interface Parts {
  shelf: RunStore;
  datasets: Datasets;
  engine: EngineManager;
  jobs: Jobs;
  spawnJob: SpawnJob;
  cacheFolder: string;
  /** The file that a path, an address or a name of published weights means, fetched where it is not here. */
  local(path: string, context: JobContext): Promise<string>;
}

/** Evaluations: makes them, and shows those that are kept. */
export class Evaluations {
  private opened: { id: string; answers: KeptAnswers } | null = null;

  constructor(private readonly parts: Parts) {}

  handlers() {
    return {
      'evaluation.start': async (asked) => ({ job: await this.start(asked) }),
      'evaluation.list': async () => this.all().map(({ facts }) => facts),
      'evaluation.report': async ({ id, head }) => this.report(id, head),
      'evaluation.images': (query) => this.images(query),
      'evaluation.delete': async ({ id }) => (removeEvaluation(this.find(id).folder, id), null),
    } satisfies Partial<Handlers>;
  }

  /** Every kept evaluation, newest first, with its folder. */
  private all(): { folder: string; facts: EvaluationFacts }[] {
    const runs = this.parts.shelf.list(() => undefined);
    const folders = [looseEvaluations(this.parts.cacheFolder), ...runs.map(({ path }) => evaluationsFolder(path))];
    const found = folders.flatMap((folder) => listEvaluations(folder).map((facts) => ({ folder, facts })));
    return found.sort((a, b) => b.facts.time - a.facts.time);
  }

  private find(id: string): { folder: string; facts: EvaluationFacts } {
    const found = this.all().find(({ facts }) => facts.id === id);
    if (!found) throw new StillhouseError('evaluation.missing', { id });
    return found;
  }

  private answersOf(folder: string, id: string): KeptAnswers {
    if (this.opened?.id !== id) this.opened = { id, answers: readAnswers(folder, id) };
    return this.opened.answers;
  }

  private report(id: string, head: Answering): EvaluationReport {
    const { folder, facts } = this.find(id);
    const answers = this.answersOf(folder, id);
    return reportOf(facts, answers, answers.heads.has(head) ? head : 'test');
  }

  /** Starts the job that scores weights. @returns its id. */
  async start(asked: CallParams<'evaluation.start'>): Promise<string> {
    const { jobs, spawnJob, engine: desk, cacheFolder } = this.parts;
    const checkpoint = asked.run && checkpointOf(this.parts.shelf.pathOf(asked.run), asked.checkpoint, 'best');
    const settings = (asked.settings ?? {}) as Partial<Recipe>;
    const { engine, gpu } = await desk.choose(settings.device);
    const keepOf = (weights: string) => ({ ...keepPlace(weights, cacheFolder), ...(asked.run && { run: asked.run }) });
    const optional = (path: string | undefined): string => (path ? absolute(path) : '');
    const job = {
      ...({ kind: 'evaluate', engine, gpu, settings } as const),
      average: asked.average ?? false,
      tokens: asked.tokens ?? false,
      folder: optional(asked.folder),
      classIndex: optional(asked.classIndex),
      realLabels: optional(asked.realLabels),
      classNames: optional(asked.classNames),
      ...(asked.entry && { entry: asked.entry }),
    };
    return jobs.start('evaluate', `evaluate:${JSON.stringify(asked)}`, 'files', async (context) => {
      const weights = checkpoint || (await this.parts.local(asked.path ?? '', context));
      const result = await runJob(spawnJob, { ...job, weights, keep: keepOf(weights) }, context);
      return result?.report.facts.id ?? null;
    });
  }

  /** The images that were asked for, the greatest loss first. */
  private async images(query: CallParams<'evaluation.images'>): Promise<EvaluatedPage> {
    const { folder, facts } = this.find(query.id);
    const answers = this.answersOf(folder, query.id);
    const head = answers.heads.has(query.head) ? query.head : 'test';
    const { top, loss } = answers.heads.get(head)!;
    const { kept, labels, files } = answers;
    const teacher = answers.heads.get('teacher');
    const shown = (row: number): boolean => {
      const decision = top[row * kept];
      if (decision < 0) return false;
      if (query.label !== undefined && labels[row] !== query.label) return false;
      if (query.decision !== undefined && decision !== query.decision) return false;
      if (query.choice === 'wrong') return decision !== labels[row];
      if (query.choice === 'heads') return headsDiffer(answers, row);
      const theirs = teacher?.top[row * kept] ?? -1;
      return query.choice === 'all' || (theirs >= 0 && theirs !== decision);
    };
    const rows = [...files.keys()].filter(shown).sort((a, b) => loss[b] - loss[a]);
    const page = rows.slice(query.offset, query.offset + query.limit);
    const names = await this.parts.datasets.named(facts.data, page.map((row) => files[row])); // prettier-ignore
    const answersAt = (row: number) =>
      ANSWERING.flatMap((head) => {
        const own = answers.heads.get(head);
        if (!own || own.top[row * kept] < 0) return [];
        const places = Array.from({ length: kept }, (_, k) => row * kept + k);
        return [{ head, top: places.map((at) => ({ label: own.top[at], probability: own.probability[at] || 0 })) }];
      });
    const images = page.map((row, at) => {
      return { id: names[at], file: files[row], label: labels[row], loss: orNull(loss[row]), answers: answersAt(row) };
    });
    return { total: rows.length, images };
  }
}

/** Finds a checkpoint of a run by its name, else its best or its last. @throws StillhouseError `run.no-checkpoint` */
export function checkpointOf(run: string, file: string | undefined, fallback: 'best' | 'last'): string {
  const info = (fallback === 'best' ? bestCheckpoint(run) : null) ?? latestCheckpoint(run);
  const name = file || info?.file;
  if (!name) throw new StillhouseError('run.no-checkpoint', { path: run });
  return join(checkpointsFolder(run), name);
}

/** Tells whether class and distillation head decide differently for an image. */
function headsDiffer({ heads, kept }: KeptAnswers, row: number): boolean {
  const [one, other] = (['class', 'distillation'] as const).map((head) => heads.get(head)?.top[row * kept] ?? -1);
  return one >= 0 && other >= 0 && one !== other;
}
