import type { QueueReport, RunSummary } from '../../protocol/data-types.ts';
import type { DistilPlan, DistilReport } from '../../protocol/distillation.ts';
import { toPlainError } from '../../protocol/errors.ts';
import { ENDED } from '../../protocol/events.ts';
import { shareOf, workOf } from './extent.ts';
import { withoutTeacher } from './distiller.ts';

/** Facts that are known beside the plan itself. */
export interface ReportFacts {
  teacher: RunSummary | null;
  student: RunSummary | null;
  queue: QueueReport;
  /** The job that fetches for it or walks it. */
  job: string | null;
  walked: boolean;
}

/** Reports how far a plan is, from the disk and the queue. */
export function reportOf(plan: DistilPlan, facts: ReportFacts): DistilReport {
  const { teacher, student, job } = facts;
  const training = [student, teacher].find((run) => run && !ENDED.includes(run.state)) ?? null;
  const done = student?.state === 'finished';
  const { state, error } = done ? { state: 'done' as const, error: null } : stateOf(training, facts);
  return {
    ...{ plan, state, error, job },
    step: done ? null : stepOf(plan, facts),
    share: done ? 1 : shareOfAll(plan, facts),
    secondsLeft: training ? secondsLeft(plan, facts, training) : null,
    training: training?.id ?? null,
  };
}

type State = Pick<DistilReport, 'state' | 'error'>;

function stateOf(training: RunSummary | null, { teacher, student, queue, job, walked }: ReportFacts): State {
  if (training || job !== null || walked) return { state: 'running', error: null };
  const entry = queue.entries[0] ?? null;
  if (entry?.error) return { state: 'failed', error: entry.error };
  if (entry) return { state: 'waiting', error: queue.paused };
  if (student) return { state: student.state === 'stopped' ? 'stopped' : 'failed', error: student.error };
  if (teacher && teacher.state !== 'finished')
    return { state: 'stopped', error: toPlainError(withoutTeacher(teacher)) };
  return { state: 'stopped', error: null };
}

function stepOf(
  { teacher: { origin, start } }: DistilPlan,
  { teacher, student, job }: ReportFacts,
): DistilReport['step'] {
  if (student) return 'student';
  if (origin === 'published') return job === null ? 'student' : 'weights';
  if (origin !== 'made' || teacher?.state === 'finished') return 'student';
  return teacher || start !== 'published' ? 'teacher' : 'weights';
}

function shareOfAll(plan: DistilPlan, { teacher, student }: ReportFacts): number {
  const work = workOf(plan);
  return (shareOf(teacher) * work.teacher + shareOf(student) * work.student) / (work.teacher + work.student);
}

/** At the rate of the training under way, which stands for what comes after it by the work of both. */
function secondsLeft(plan: DistilPlan, { teacher, student }: ReportFacts, training: RunSummary): number | null {
  const { step, stepsPerEpoch, epochs, imagesPerSecond } = training;
  const recipe = training === student ? plan.student.recipe : plan.teacher.recipe;
  const batch = Number(recipe?.['batchSize'] ?? 0);
  if (!step || !stepsPerEpoch || !imagesPerSecond || !batch) return null;
  const own = ((stepsPerEpoch * epochs - step) * batch) / imagesPerSecond;
  if (training !== teacher) return own;
  const work = workOf(plan);
  return own + ((stepsPerEpoch * epochs * batch) / imagesPerSecond) * (work.student / work.teacher);
}
