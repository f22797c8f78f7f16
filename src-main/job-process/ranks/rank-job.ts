import type { LoaderRecipe } from '../../data/batches/loader.ts';
import type { RankJob } from '../../jobs/job-protocol.ts';
import { countParameters } from '../../model/model.ts';
import { fromPlainError, StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { HistoryRow } from '../../protocol/events.ts';
import { VERSION } from '../../protocol/version.ts';
import { abortCollectives } from '../../runtime/collectives.ts';
import { runLoop } from '../../train/loop.ts';
import { threadingOf } from '../../train/parts.ts';
import { startScaler } from '../../train/scaler.ts';
import { createTrainStep, isFrozen } from '../../train/step.ts';
import { trainable } from '../../train/variables.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { trainingRecipe } from '../images/loader-recipe.ts';
import { trainingLoader } from '../images/training-loader.ts';
import type { JobContext } from '../job-context.ts';
import { shareOfRecipe } from '../../jobs/ranks/share.ts';
import { createModels } from '../jobs/models.ts';
import { listImages } from '../jobs/open-training.ts';
import { openTeacher, teacherLoader } from '../teacher/teacher.ts';
import { createScorer } from '../evaluation/evaluator.ts';
import { teach } from '../teacher/taught-training.ts';
import { precisionOf } from '../training/precision.ts';
import { startFresh } from '../training/train-state.ts';
import { freePort, ownState, shareState } from './company.ts';
import { RankLine } from './line.ts';
import { readLeader, spoken, type FromLeader, type FromOther } from './line-protocol.ts';
import { listingOf } from './listing.ts';

/**
 * Takes part in a training as another rank than 0: the same steps on other images of them. It writes nothing; rank 0
 * says when the run is over, and this process ends with it.
 * @throws StillhouseError what the run has failed with, `ranks.lost` where rank 0 is gone, `ranks.refused`.
 */
export async function runRankJob(job: RankJob, context: JobContext): Promise<null> {
  const { rank, size, leader, secret } = job.ranks;
  const line = new RankLine({ rank, size, ...leader, secret, version: VERSION });
  const heard = new Heard(line);
  const askToStop = (): void => line.say({ say: 'stop' } satisfies FromOther);
  context.stop.addEventListener('abort', askToStop);
  try {
    await Promise.race([line.open, cancelled(context.stop)]);
    if (context.stop.aborted) askToStop();
    await Promise.race([heard.ended, takePart(job, context, line, heard)]);
    return null;
  } catch (error) {
    line.say({ say: 'failed', error: toPlainError(error) } satisfies FromOther);
    throw error;
  } finally {
    await line.close();
  }
}

/** Rejects when this rank is asked to end before rank 0 has taken it in. */
function cancelled(stop: AbortSignal): Promise<never> {
  const asked = new Promise<never>((_, reject) => {
    const end = (): void => reject(new StillhouseError('job.cancelled'));
    if (stop.aborted) end();
    stop.addEventListener('abort', end, { once: true });
  });
  asked.catch(() => undefined);
  return asked;
}

/** What rank 0 has said, to be waited for. */
class Heard {
  /** Settles when the run is over. */
  readonly ended: Promise<void>;
  private readonly said = new Map<string, FromLeader[]>();
  private wake: () => void = () => undefined;

  constructor(line: RankLine) {
    this.ended = new Promise((resolve, reject) => {
      void line.lost.then(reject);
      line.onMessage = (_, body) => {
        const message = readLeader(body);
        if (!message) return;
        if (message.say === 'end') return message.error ? reject(fromPlainError(message.error)) : resolve();
        this.said.set(message.say, [...(this.said.get(message.say) ?? []), message]);
        this.wake();
      };
    });
    this.ended.catch(() => undefined);
  }

  /** Waits for the next message of a kind. */
  async next<Say extends FromLeader['say']>(say: Say): Promise<Extract<FromLeader, { say: Say }>> {
    for (;;) {
      const message = this.said.get(say)?.shift();
      if (message) return message as Extract<FromLeader, { say: Say }>;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

async function takePart(job: RankJob, context: JobContext, line: RankLine, heard: Heard): Promise<void> {
  const { rank, size } = job.ranks;
  const { recipe, position, kept, excluded } = await heard.next('setup');
  context.tell({ tell: 'progress', stage: 'data', done: 0, total: 0 });
  const dataset = await listImages(recipe, excluded);
  const port = await freePort();
  line.say({ say: 'ready', port, listing: listingOf(dataset) } satisfies FromOther);
  const { student, teacher: planned } = await createModels(recipe, dataset.classes, kept);
  const { addresses, precision } = await heard.next('go');
  const engine = await openEngine(job, threadingOf(student), { rank, addresses });
  // A sum that waits for a rank which is cut off would keep this process from ending.
  const abort = (why: unknown): void => abortCollectives(engine.tensorflow, reasonText(why));
  void heard.ended.then(abort, abort);
  const theirs = precisionOf(recipe, engine);
  if (theirs !== precision) throw new StillhouseError('ranks.precision', { rank, theirs, ours: precision });
  const state = engine.newState();
  startFresh(state, student, recipe);
  if (precision === 'float16') startScaler(state);
  const teacher = planned && (await openTeacher(planned, { engine, state, classes: dataset.classes }));
  await shareState(engine, state, job.ranks);
  const own = shareOfRecipe(recipe, size);
  const newWorkers = (looks: LoaderRecipe) => decodeWorkers(job.engine, engine, looks);
  const { batchSize } = own;
  const share = { rank, world: size };
  const loader = trainingLoader(newWorkers(trainingRecipe(own)), {
    ...{ dataset, recipe: own, student, share },
    onSkip: (skipped) => line.say({ say: 'note', note: toPlainError(skipped) } satisfies FromOther),
  });
  const ranks = { rank, size };
  const taught = await teach({ engine, state, recipe: own, student, teacher, precision, ranks }, null);
  const parts = { student, teacher: taught.teacher, recipe, batchSize, precision, ranks };
  const step = taught.step(await createTrainStep(engine, state, parts));
  const shown = { dataset, recipe, newWorkers, batchSize, share };
  const score = await createScorer({
    ...{ engine, state, student, average: recipe.modelEma, batchSize, heads: recipe.evalHeads, loader, context },
    teacher: teacher && { opened: teacher, loader: teacherLoader(teacher, shown), precision },
  });
  state.trim(isFrozen);
  await runLoop({
    ...{ recipe, stepsPerEpoch: loader.stepsPerEpoch, position, step },
    parameters: countParameters(trainable(student, recipe)),
    batches: (epoch, from) => taught.batches(loader.trainBatches(epoch, from), { epoch, batch: from }),
    evaluate: async (stop) => {
      for await (const batch of score(stop)) line.say({ say: 'scored', batch: spoken(batch) } satisfies FromOther);
      line.say({ say: 'evaluated' } satisfies FromOther);
      return (await heard.next('evaluated')).result;
    },
    save: async () => ({ amend: async () => undefined }),
    nonFinite: never,
    emit: (row) => report(line, row, size),
    stop: new AbortController().signal,
  });
  // Rank 0 has still to save.
  await never();
}

const reasonText = (why: unknown): string => (why instanceof Error ? why.message : 'the run has ended');

/** Rank 0 has met the same, and says what the run ends with. */
const never = (): Promise<never> => new Promise(() => undefined);

function report(line: RankLine, row: HistoryRow, size: number): void {
  if (row.type === 'step') line.say({ say: 'state', ...ownState(row, size) } satisfies FromOther);
}
