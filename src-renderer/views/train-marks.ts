import type { RunSummary } from '../../src-main/protocol/data-types.ts';
import { ENDED } from '../../src-main/protocol/events.ts';
import type { Mark } from '../components/charts/marks.ts';
import { describeError } from '../i18n/errors.ts';
import type { XAxis } from '../stores/preferences.ts';
import type { RunHistory } from '../history/run-history.ts';
import type { MarkKind, RunMark } from '../history/run-marks.ts';

type Translate = (key: string, values?: Record<string, unknown>) => string;

export interface MarkedRun {
  id: string;
  history: RunHistory;
  summary: Pick<RunSummary, 'state' | 'error'> | null;
  /** Its colour where several runs are drawn; null for the open one. */
  color: string | null;
}

/** The marks of runs beside the open one: every checkpoint of twenty runs would hide the lines. */
const OF_OTHERS: readonly MarkKind[] = ['resume', 'nonFinite', 'end'];

const COLORS: Record<MarkKind, string> = {
  ...{ checkpoint: 'ink-3', resume: 'accent', pause: 'ink-2', note: 'warning', nonFinite: 'danger', end: 'ink-2' },
};

/** Lists the events of the runs in words, on an x axis. */
export function marksOf(runs: readonly MarkedRun[], axis: XAxis, t: Translate, locale: string): Mark[] {
  return runs.flatMap((run) =>
    allMarks(run)
      .filter(({ kind }) => run.color === null || OF_OTHERS.includes(kind))
      .map((mark) => ({
        x: mark[axis],
        kind: mark.kind,
        color: run.color ?? (isFailure(mark) ? 'danger' : COLORS[mark.kind]),
        text: (runs.length > 1 ? `${run.id} · ` : '') + wordsOf(mark, t, locale),
      })),
  );
}

const isFailure = ({ state }: RunMark): boolean => state === 'failed' || state === 'crashed';

/** A process that was killed left no row of its end: the list of runs knows of it. */
function allMarks({ history, summary }: MarkedRun): readonly RunMark[] {
  const told = history.state !== null && ENDED.includes(history.state.state);
  if (told || !summary || !ENDED.includes(summary.state) || history.place.step === 0) return history.marks;
  const { state, error } = summary;
  return [...history.marks, { ...history.place, kind: 'end', state, error }];
}

function wordsOf(mark: RunMark, t: Translate, locale: string): string {
  const why = mark.error ? describeError(mark.error, locale).says : '';
  if (mark.kind === 'note') return why;
  const what = mark.state ? t(`state.${mark.state}`) : t(`charts.marks.${mark.kind}`);
  const detail = mark.file ?? why;
  return detail ? t('charts.marks.with', { what, detail }) : what;
}
