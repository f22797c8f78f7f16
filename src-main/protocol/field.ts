import type { Reason } from './reasons.ts';

export type FieldGroup = 'data' | 'model' | 'distillation' | 'schedule' | 'optimizer' | 'augmentation' | 'run';

/** `on`: a number above 0, a text, or true; `off` the opposite; a list: one of these choices. */
type State = 'on' | 'off' | readonly string[];
/** All of its clauses hold; a clause holds where any of its settings is as it says. */
export type Condition = readonly { readonly [key: string]: State }[];

/** Tells whether a condition holds among the values of a recipe. */
export function holds(condition: Condition, values: { readonly [key: string]: unknown }): boolean {
  return condition.every((clause) => Object.entries(clause).some(([key, state]) => isIn(state, values[key])));
}

function isIn(state: State, value: unknown): boolean {
  if (typeof state !== 'string') return state.some((choice) => choice === value);
  const on = typeof value === 'string' ? value.trim() !== '' : Boolean(value);
  return on === (state === 'on');
}

interface FieldBase<Key extends string> {
  key: Key;
  group: FieldGroup;
  /** Shown in the simple view of the form. */
  simple: boolean;
  label: string;
  help: string;
  /** Unit of the value, '' for a pure number or a name. */
  unit: string;
  /** The value of the DeiT paper's main recipe (DeiT-B, ImageNet), as text; '' where the paper has none. */
  paper: string;
  /** It changes the time of a step or of reading its images, so that a speed is only known for equal values. */
  changesSpeed?: true;
  /** When it has an effect; always where it does not say. */
  usedWhen?: Condition;
  /** Presets set it though it has no effect beside their other settings: that is no oversight. */
  setUnused?: true;
}

/** One described setting: its key, type, default, bounds and words. */
export type FieldOf<Key extends string> = FieldBase<Key> &
  (
    | { type: 'integer' | 'number'; default: number; min: number; max: number }
    | { type: 'boolean'; default: boolean }
    | { type: 'choice'; default: string; choices: readonly string[] }
    /** `pattern` is a regular expression that a value must match, `expected` says so in words. */
    | { type: 'text' | 'path'; default: string; pattern?: string; expected?: Reason }
  );
