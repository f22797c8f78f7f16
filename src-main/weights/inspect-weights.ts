import { shapeSize } from '../base/shape-size.ts';
import { type Dtype, DTYPE_BYTES, type NamedArray } from '../formats/named-array.ts';
import type { WeightKind } from '../protocol/export-formats.ts';
import { recognise, type Recognised } from '../model/recognise.ts';
import { openWeights } from './open-weights.ts';
import { likely } from './network.ts';
import { weightsOf, type Said } from './weights.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';

/** The content of a weight file, as plain data. Names and texts are the file's own: show them with care. */
export interface WeightReport {
  /** The file that was read: of a folder, the one in it. */
  path: string;
  kind: WeightKind;
  /** Every file that holds arrays, with its bytes. */
  files: { path: string; bytes: number }[];
  /** The state dicts in the file, '' for one that is the whole file, and the one that this report is of. */
  entries: string[];
  entry: string;
  metadata: Record<string, string>;
  /** Class names by label, where the file tells them. */
  classNames: string[] | null;
  /** The network that the arrays make; null when they make none that is known. */
  network: Recognised | null;
  /** The network's name in the file or in the config beside it, and which of them gives it. */
  said: Said | null;
  /** Notes on arrays that a command would take and leave out. */
  notes: PlainError[];
  arrays: ArrayReport[];
  /** Of all arrays together. */
  total: { arrays: number; elements: number; bytes: number; dtypes: Partial<Record<Dtype, number>> };
  /** Numbers that are none or not finite; null when the arrays are too large to look at. */
  nan: number | null;
  infinite: number | null;
}

export interface ArrayReport {
  name: string;
  dtype: Dtype;
  shape: number[];
  bytes: number;
  /** null where the array was not looked at, or has no number that is finite. */
  values: ArrayValues | null;
}

/** Over the finite numbers of an array, as float32; and how many are not. */
export interface ArrayValues {
  least: number | null;
  greatest: number | null;
  nan: number;
  infinite: number;
}

/** Views may unfold to far more than the file holds: beyond this many bytes more, arrays are not looked at. */
const MAX_SURPLUS = 1 << 30;

/**
 * Reads what a weight file, index, folder or run holds: all that its header tells, and every number once.
 * @throws StillhouseError as {@link openWeights}.
 */
export function inspectWeights(path: string, options: { entry?: string } = {}): WeightReport {
  const opened = openWeights(path, options);
  try {
    const { kind, entries, entry, metadata, tensors } = opened.file;
    const total = totalOf(tensors);
    const held = opened.files.reduce((sum, { bytes }) => sum + bytes, 0);
    const looks = total.bytes <= held + MAX_SURPLUS;
    const arrays = [...tensors].map(([name, array]) => reportOf(name, array, looks));
    const sum = (count: (values: ArrayValues) => number) =>
      looks ? arrays.reduce((sum, { values }) => sum + (values ? count(values) : 0), 0) : null;
    return {
      path: opened.path,
      kind,
      files: opened.files,
      entries,
      entry,
      metadata,
      ...networkOf(opened, options.entry),
      arrays,
      total,
      nan: sum(({ nan }) => nan),
      infinite: sum(({ infinite }) => infinite),
    };
  } finally {
    opened.close();
  }
}

// A checkpoint of ours holds the optimizer's numbers beside the model's: only the model's make a network.
function networkOf(
  opened: Parameters<typeof weightsOf>[0],
  entry: string | undefined,
): Pick<WeightReport, 'network' | 'classNames' | 'said' | 'notes'> {
  try {
    const { tensors, classes, said, notes, settings } = weightsOf(opened, { entry });
    const network = recognise(tensors);
    if (network) network.models = orderedModels(network, said?.model);
    const own = settings.model !== undefined && tensors.size < opened.file.tensors.size;
    if (network && own) network.layout = 'Stillhouse checkpoint';
    return { network, classNames: classes, said, notes };
  } catch (error) {
    // What keeps a file from being used is what a person looks into it for.
    if (!(error instanceof StillhouseError)) throw error;
    return { network: recognise(opened.file.tensors), classNames: null, said: null, notes: [toPlainError(error)] };
  }
}

function orderedModels({ models, inputSize }: Recognised, said: string | null | undefined): string[] {
  const found = likely(models, inputSize);
  return said && found.includes(said) ? [said, ...found.filter((model) => model !== said)] : found;
}

function totalOf(tensors: ReadonlyMap<string, NamedArray>): WeightReport['total'] {
  const total: WeightReport['total'] = { arrays: tensors.size, elements: 0, bytes: 0, dtypes: {} };
  for (const { dtype, shape } of tensors.values()) {
    const count = shapeSize(shape);
    total.elements += count;
    total.bytes += count * DTYPE_BYTES[dtype];
    total.dtypes[dtype] = (total.dtypes[dtype] ?? 0) + 1;
  }
  return total;
}

function reportOf(name: string, array: NamedArray, looks: boolean): ArrayReport {
  const { dtype, shape } = array;
  const values = looks ? valuesOf(array.toFloat32()) : null;
  return { name, dtype, shape, bytes: shapeSize(shape) * DTYPE_BYTES[dtype], values };
}

function valuesOf(numbers: Float32Array): ArrayValues {
  let [least, greatest, nan, infinite] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i];
    if (value - value !== 0) {
      if (Number.isNaN(value)) nan++;
      else infinite++;
      continue;
    }
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  const any = least <= greatest;
  return { least: any ? least : null, greatest: any ? greatest : null, nan, infinite };
}
