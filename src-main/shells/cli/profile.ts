import type { RunProfile } from '../../protocol/data-types.ts';
import { RUN_TIME_PARTS, type RunTimes, type TaughtOnce, type RunTimePart } from '../../protocol/run-times.ts';

const NAMES: Record<RunTimePart, string> = {
  step: 'student',
  teacher: 'teacher',
  feed: 'feeding',
  dataWait: 'waiting for data',
  evaluation: 'evaluation',
  checkpoint: 'checkpoints',
  compile: 'first step, with compiling',
};

/** Says in one line where the time of a run went; '' while nothing is known. */
export function timesText(times: RunTimes): string {
  const whole = RUN_TIME_PARTS.reduce((sum, part) => sum + times[part], 0);
  const parts = RUN_TIME_PARTS.filter((part) => times[part] > 0).map(
    (part) => `${NAMES[part]} ${((100 * times[part]) / whole).toFixed(1)} %`,
  );
  return parts.length > 0 ? `Time: ${parts.join(', ')}` : '';
}

/** Says what kept answers of the teacher did; '' where none are kept. */
export function taughtText({ kept, saved }: TaughtOnce): string {
  if (kept === null) return '';
  return `The teacher's answers were kept for ${kept.toFixed(1)} % of the images, which saved ${(saved / 60).toFixed(1)} minutes.`;
}

/** Writes the most expensive ops of the profiled step as a table. */
export function opText({ step, milliseconds, opMilliseconds, ops }: RunProfile, most = 20): string {
  const rows = ops.slice(0, most).map(({ op, shapes, count, milliseconds: time }) => {
    const share = `${((100 * time) / opMilliseconds).toFixed(1)} %`.padStart(7);
    return `${time.toFixed(2).padStart(10)} ms ${share} ${String(count).padStart(5)} ×  ${op}  ${shapes}`.trimEnd();
  });
  const head = `Ops of step ${step}, which took ${milliseconds.toFixed(1)} ms: ${opMilliseconds.toFixed(1)} ms on all threads`;
  return [head, ...rows].join('\n');
}
