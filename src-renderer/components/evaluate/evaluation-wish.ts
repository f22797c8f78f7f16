import type { PlainError } from '../../../src-main/protocol/errors.ts';

/** The content of the form of the Evaluate view; '' where nothing was typed. */
export interface EvaluationWish {
  checkpoint: string;
  average: boolean;
  /** A weight file or run folder in place of the open run. */
  weights: string;
  /** A folder in place of the validation images. */
  data: string;
  /** ImageNet-ReaL's labels. */
  real: string;
  network: string;
  entry: string;
  /** A file with class names. */
  names: string;
}

/** Says which field of an {@link EvaluationWish} settles an error, and the names that it may have. */
export interface Choices {
  field: 'network' | 'entry';
  names: string[];
}

/** The parameter of an error that lists what may be taken, by its code. */
const LISTS: Partial<Record<PlainError['code'], [field: Choices['field'], list: string]>> = {
  'weights.ambiguous': ['network', 'models'],
  'weights.prefixes': ['entry', 'prefixes'],
  'weights.entry': ['entry', 'entries'],
  'weights.no-average': ['entry', 'entries'],
};

/** Most buttons that are offered. */
const MOST = 8;

/** Lists the choices after an error that says a file can be taken in several ways. */
export function choicesOf(error: PlainError | null): Choices {
  const [field, list] = (error && LISTS[error.code]) ?? ['network', ''];
  const named = error?.params[list];
  const names = typeof named === 'string' ? named.split(', ') : [];
  return { field, names: names.filter((name) => /^[\w.-]+$/.test(name)).slice(0, MOST) };
}
