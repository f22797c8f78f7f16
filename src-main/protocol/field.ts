export type FieldGroup = 'data' | 'model' | 'distillation' | 'schedule' | 'optimizer' | 'augmentation' | 'run';

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
}

/** One described setting: its key, type, default, bounds and words. */
export type FieldOf<Key extends string> = FieldBase<Key> &
  (
    | { type: 'integer' | 'number'; default: number; min: number; max: number }
    | { type: 'boolean'; default: boolean }
    | { type: 'choice'; default: string; choices: readonly string[] }
    /** `pattern` is a regular expression that a value must match, `expected` says so in words. */
    | { type: 'text' | 'path'; default: string; pattern?: string; expected?: string }
  );
