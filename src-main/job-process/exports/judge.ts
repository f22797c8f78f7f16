import { basename } from 'node:path';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { AnswerComparison, ExportCheck } from '../../protocol/export.ts';

/** The greatest difference of logits that rounding may make: the same numbers may be summed in another order. */
const ALLOWED = 1e-4;
/** Of halves: the share of the range of logits, and percent of decisions that must stay. */
const HALF = { share: 0.01, agreement: 99 };
/** Of whole numbers: percent of decisions, and points of accuracy that are worth a word, and that are too many. */
const INT8 = { agreement: 95, warned: 1, lost: 2 };

export type Judgement = Required<Pick<ExportCheck, 'problems' | 'warnings'>>;

/** Judges the answers of an export by what its type of number may change. */
export function judge(path: string, precision: string, answers: AnswerComparison): Judgement {
  const { max, range, agreement, acc1, images } = answers;
  const file = basename(path);
  const found: Judgement = { problems: [], warnings: [] };
  const error = (
    code: 'export.answers' | 'export.agreement' | 'export.accuracy',
    params: Record<string, string | number>,
  ): PlainError => toPlainError(new StillhouseError(code, { file, images, ...params }));
  const allowed = precision === 'float16' ? HALF.share * (range ?? 0) : ALLOWED;
  const differs = max === null || (precision !== 'int8' && max > allowed);
  if (differs) found.problems.push(error('export.answers', { max: max ?? 'NaN', allowed, agreement }));
  const least = precision === 'int8' ? INT8.agreement : precision === 'float16' ? HALF.agreement : 0;
  if (!(agreement >= least)) found.problems.push(error('export.agreement', { agreement, least }));
  const lost = acc1.checkpoint - acc1.exported;
  if (precision !== 'int8' || !(lost >= INT8.warned)) return found;
  const accuracy = error('export.accuracy', { before: acc1.checkpoint, after: acc1.exported });
  (lost >= INT8.lost ? found.problems : found.warnings).push(accuracy);
  return found;
}
