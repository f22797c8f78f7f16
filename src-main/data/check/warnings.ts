import {
  StillhouseError,
  toPlainError,
  type ErrorCode,
  type ErrorParams,
  type PlainError,
} from '../../protocol/errors.ts';

/** How many warnings of one kind are kept one by one; the others are only counted. */
const MOST = 50;

/** Gathers the warnings of a listing. A folder of 100,000 faults must not make as many messages. */
export class Warnings {
  private readonly list: PlainError[] = [];
  private readonly counts = new Map<ErrorCode, number>();

  add(code: ErrorCode, params: ErrorParams): void {
    const count = (this.counts.get(code) ?? 0) + 1;
    this.counts.set(code, count);
    if (count <= MOST) this.list.push(toPlainError(new StillhouseError(code, params)));
  }

  /** Lists the kept warnings, and how many more there are of each kind. */
  all(): PlainError[] {
    const more = [...this.counts].filter(([, count]) => count > MOST);
    const rest = more.map(([code, count]) => new StillhouseError('data.more-warnings', { code, count: count - MOST }));
    return [...this.list, ...rest.map(toPlainError)];
  }
}
