import { isDivergence, type PlainError } from '../../src-main/protocol/errors.ts';
import { ENDED, type HistoryRow, type RunState } from '../../src-main/protocol/events.ts';

export const MARK_KINDS = ['checkpoint', 'resume', 'pause', 'note', 'nonFinite', 'end'] as const;
export type MarkKind = (typeof MARK_KINDS)[number];

/** Says where in a run something was: its step, finished epochs with fractions, and seconds spent training. */
export interface Place {
  step: number;
  epoch: number;
  time: number;
}

/** Something that happened to a run, beside its numbers. */
export interface RunMark extends Place {
  kind: MarkKind;
  /** The state in which a run ended. */
  state?: RunState;
  /** Why, or what was noted. */
  error: PlainError | null;
  /** Of a checkpoint. */
  file?: string;
}

/** The marks of one run, in the order of its steps. */
export class RunMarks {
  list: RunMark[] = [];
  /** The resume that no step followed yet: where it goes on from is known with the first. */
  private resumed: RunMark | null = null;
  private state: RunState | null = null;

  /** Takes in a row. @param here where the run is. @param stepsPerEpoch 0 while unknown. */
  add(row: HistoryRow, here: Place, stepsPerEpoch: number): void {
    const at = (step: number): Place => ({ ...here, step, ...(stepsPerEpoch && { epoch: step / stepsPerEpoch }) });
    switch (row.type) {
      case 'step':
        this.resumed = null;
        if (!Number.isFinite(row.loss)) this.list.push({ ...here, kind: 'nonFinite', error: null });
        return;
      case 'epoch':
        if (!Number.isFinite(row.test.loss)) this.list.push({ ...at(row.step), kind: 'nonFinite', error: null });
        return;
      case 'checkpoint':
        this.list.push({ ...at(row.step), kind: 'checkpoint', error: null, file: row.file });
        return;
      case 'note':
        this.list.push({ ...here, kind: 'note', error: row.note });
        return;
      case 'state':
        this.addState(row.state, row.error, here, at);
    }
  }

  /** Overwrites everything from `step` on; a resume that is under way moves to `here`, where it goes on from. */
  rewind(step: number, here: Place): void {
    if (this.resumed) Object.assign(this.resumed, here);
    this.list = this.list.filter((mark) => mark === this.resumed || mark.step < step);
  }

  private addState(state: RunState, error: PlainError | null, here: Place, at: (step: number) => Place): void {
    const before = this.state;
    this.state = state;
    const goesOn = state === 'starting' || (state === 'running' && before !== null && ENDED.includes(before));
    if (goesOn && here.step > 0) {
      this.resumed = { ...here, kind: 'resume', error: null };
      this.list.push(this.resumed);
    }
    if (state === 'paused') this.list.push({ ...here, kind: 'pause', error });
    if (!ENDED.includes(state)) return;
    const step = error && isDivergence(error.code) ? Number(error.params['step']) : NaN;
    const place = step > 0 ? at(step) : here;
    if (step > 0) this.list.push({ ...place, kind: 'nonFinite', error: null });
    this.list.push({ ...place, kind: 'end', state, error });
  }
}
