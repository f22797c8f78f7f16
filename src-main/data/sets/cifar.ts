import { bytesOfArray, readPickledDict, textOf } from '../../formats/numpy-pickle.ts';
import type { DataSetName } from '../../protocol/data-sets.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import type { Roots } from '../layout/branch.ts';
import { childPath } from '../layout/branch.ts';
import type { Sample } from '../layout/sample.ts';
import { fileOf, readingFile, type FoundSet, type PublishedSet, type SetListing } from './published-set.ts';
import { readWhole, withFile, type SetFile, type SetFolder } from './set-folder.ts';

/**
 * CIFAR-10 and CIFAR-100 as published: archives of Python's pickles, or of plain binary rows. Images are read from
 * their place in these files. Source: https://www.cs.toronto.edu/~kriz/cifar.html; numbers as in torchvision's CIFAR10
 * and CIFAR100.
 */

interface Edition {
  name: DataSetName;
  home: string;
  train: readonly string[];
  test: string;
  names: string;
  classes: number;
  /** Keys of the pickles; null for the binary edition. */
  keys: { labels: string; names: string } | null;
  /** Bytes before the pixels of a row, and which of them is the class: of the binary edition. */
  head: number;
  label: number;
}

const BATCHES = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}`);
const SIDE = 32;
const PIXELS = 3 * SIDE * SIDE;
/** Rows of the binary edition that are read together. */
const ROWS = 1024;
const LARGEST_NAMES = 1 << 20;

const EDITIONS: readonly Edition[] = [
  {
    ...{ name: 'CIFAR10', home: 'cifar-10-batches-py', classes: 10, head: 0, label: 0 },
    ...{ train: BATCHES, test: 'test_batch', names: 'batches.meta' },
    keys: { labels: 'labels', names: 'label_names' },
  },
  {
    ...{ name: 'CIFAR10', home: 'cifar-10-batches-bin', classes: 10, keys: null, head: 1, label: 0 },
    ...{ train: BATCHES.map((name) => `${name}.bin`), test: 'test_batch.bin', names: 'batches.meta.txt' },
  },
  {
    ...{ name: 'CIFAR100', home: 'cifar-100-python', classes: 100, head: 0, label: 0 },
    ...{ train: ['train'], test: 'test', names: 'meta' },
    keys: { labels: 'fine_labels', names: 'fine_label_names' },
  },
  {
    ...{ name: 'CIFAR100', home: 'cifar-100-binary', classes: 100, keys: null, head: 2, label: 1 },
    ...{ train: ['train.bin'], test: 'test.bin', names: 'fine_label_names.txt' },
  },
];

/** CIFAR-10 and CIFAR-100, the Python edition before the binary one where both are there. */
export const CIFAR: readonly PublishedSet[] = (['CIFAR10', 'CIFAR100'] as const).map((name) => {
  const editions = EDITIONS.filter((edition) => edition.name === name);
  return {
    name,
    homes: editions.map(({ home }) => home),
    wanted: childPath(editions[0].home, editions[0].train[0]),
    packed: name === 'CIFAR10' ? /^cifar-10-(python|binary)\.(tar\.gz|tgz)$/i : /^cifar-100-(python|binary)\.(tar\.gz|tgz)$/i, // prettier-ignore
    find: (folder) => editions.map((edition) => found(edition, folder)).find((set) => set !== null) ?? null,
  };
});

function found(edition: Edition, folder: SetFolder): FoundSet | null {
  const { train, test, names, name, home } = edition;
  const there = [...train, test, names].filter((file) => folder.files.has(file));
  // `train` and `test` are no names of CIFAR alone.
  const least = folder.name === home ? 1 : Math.min(3, train.length + 2);
  if (there.length < least) return null;
  return { name, place: folder.place, read: (roots) => readCifar(edition, folder, roots) };
}

function readCifar(edition: Edition, folder: SetFolder, roots: Roots): SetListing {
  const { name, train, test, keys } = edition;
  const file = (wanted: string): SetFile => fileOf(name, folder, wanted, childPath(roots.path, folder.place));
  const [classes, ...batches] = [edition.names, ...train, test].map((wanted) => [wanted, file(wanted)] as const);
  const names = readingFile(name, classes[0], () => namesOf(edition, classes[1]));
  const samples = batches.map(([called, batch]) =>
    readingFile(name, childPath(folder.place, called), () => {
      const rows = keys ? pickledRows(keys.labels, batch) : binaryRows(edition, batch);
      assertLabels(rows.labels, names.length);
      return list(rows, batch, childPath(folder.place, called), roots);
    }),
  );
  if (name === 'CIFAR100') roots.notes.add('data.set-fine', {});
  return {
    classes: names,
    train: samples.slice(0, -1).flat(),
    val: samples.at(-1)!,
    from: [train.length > 1 ? `${train[0]} … ${train.at(-1)!}` : train[0], test],
  };
}

function namesOf({ keys, classes }: Edition, file: SetFile): string[] {
  const names = keys ? pickledNames(keys.names, file) : textNames(file);
  if (names.length !== classes) throw new ReasonError(reason('set.names', { expected: classes, got: names.length }));
  if (new Set(names).size < names.length) throw new ReasonError(reason('set.names-twice'));
  return names;
}

function textNames(file: SetFile): string[] {
  const lines = Buffer.from(readWhole(file, LARGEST_NAMES)).toString('utf8').split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

function pickledNames(key: string, file: SetFile): string[] {
  const value = withFile(file, (source) => readPickledDict(source, file.path, PIXELS)).get(key);
  const names = Array.isArray(value) ? value.map(textOf) : [];
  if (names.length === 0 || names.includes(null)) throw new ReasonError(reason('set.key', { key }));
  return names.map(String);
}

/** The images of one batch: where each begins in its file. */
interface Rows {
  labels: readonly number[];
  /** The first image's pixels, from the start of the file. */
  start: number;
  /** Bytes from one image to the next. */
  step: number;
}

function pickledRows(key: string, file: SetFile): Rows {
  const batch = withFile(file, (source) => readPickledDict(source, file.path, PIXELS));
  const labels = batch.get(key);
  if (!Array.isArray(labels) || !labels.every((one): one is number => Number.isSafeInteger(one)))
    throw new ReasonError(reason('set.key', { key }));
  if (!batch.has('data')) throw new ReasonError(reason('set.key', { key: 'data' }));
  const { shape, position } = bytesOfArray(batch.get('data'));
  const [count, ...image] = shape;
  if (image.join() !== String(PIXELS) && image.join() !== `3,${SIDE},${SIDE}`)
    throw new ReasonError(reason('set.pixels', { shape: shape.join(' × ') }));
  if (labels.length !== count) throw new ReasonError(reason('set.rows', { key, got: labels.length, expected: count }));
  return { labels, start: position, step: PIXELS };
}

function binaryRows({ head, label }: Edition, file: SetFile): Rows {
  const step = head + PIXELS;
  const labels: number[] = [];
  withFile(file, (source) => {
    if (source.size === 0 || source.size % step !== 0)
      throw new ReasonError(reason('set.bytes', { bytes: source.size, each: step }));
    for (let at = 0; at < source.size; at += ROWS * step) {
      const rows = source.read(at, Math.min(ROWS * step, source.size - at));
      for (let row = 0; row < rows.length; row += step) labels.push(rows[row + label]);
    }
  });
  return { labels, start: head, step };
}

function assertLabels(labels: readonly number[], classes: number): void {
  const row = labels.findIndex((label) => label < 0 || label >= classes);
  if (row >= 0) throw new ReasonError(reason('set.label', { row, label: labels[row], last: classes - 1 }));
}

/** Images are called by their place in the batch, from 0. */
function list({ labels, start, step }: Rows, file: SetFile, called: string, { index }: Roots): Sample[] {
  return labels.map((label, row) => {
    const name = childPath(called, String(row).padStart(5, '0'));
    const offset = file.offset + start + row * step;
    index.set(name, { archive: file.archive, offset, size: PIXELS, planes: SIDE });
    return { file: name, label };
  });
}
