/** Describes one file format in which weights are exported. */
interface FormatRow {
  /** Endings of file names, without the dot. An export gets the first one; the others are read as well. */
  endings: readonly [string, ...string[]];
  /** The kinds that `formats/weight-file.ts` recognises by content and this format is read as, in words. */
  kinds: Readonly<Record<string, string>>;
  /** The name and a note of one sentence, as the window, the command line and docs/export-formats.md show them. */
  name: string;
  about: string;
  /** Who opens such a file, for the documentation. */
  readBy: string;
  /** Whether the file can hold the moving average beside the model. */
  holdsAverage: boolean;
}

/**
 * Every format of exports. To add one: "An export format" in docs/adding.md. Command line, window, lists of files
 * and docs/export-formats.md follow from this table.
 */
export const EXPORT_FORMATS = {
  safetensors: {
    endings: ['safetensors'],
    kinds: { safetensors: 'safetensors' },
    name: 'safetensors',
    about: "timm's names; safe to open, mapped into memory.",
    readBy: 'safetensors, timm, Hugging Face, Stillhouse',
    holdsAverage: false,
  },
  pth: {
    endings: ['pth', 'pt', 'bin'],
    kinds: { 'torch-zip': 'torch, zip format', 'torch-legacy': 'torch, format from before 1.6' },
    name: 'PyTorch .pth',
    about: 'A state dict of tensors; torch.load opens it with weights_only.',
    readBy: 'torch.load, timm, DeiT, Stillhouse',
    holdsAverage: true,
  },
} as const satisfies Record<string, FormatRow>;

export type ExportFormat = keyof typeof EXPORT_FORMATS;
type KindOf<Row> = Row extends { kinds: infer Kinds } ? keyof Kinds : never;
/** The kind of a weight file by its content. */
export type WeightKind = KindOf<(typeof EXPORT_FORMATS)[ExportFormat]>;

export const EXPORT_FORMAT_NAMES = Object.keys(EXPORT_FORMATS) as [ExportFormat, ...ExportFormat[]];
const ROWS: readonly (readonly [ExportFormat, FormatRow])[] = EXPORT_FORMAT_NAMES.map((name) => [name, EXPORT_FORMATS[name]]); // prettier-ignore

/** Every ending of a weight file, without the dot. */
export const WEIGHT_ENDINGS: readonly string[] = ROWS.flatMap(([, { endings }]) => endings);
const INDEX = '.index.json';

/** Returns the ending that an export gets, without the dot. */
export function endingOf(format: ExportFormat): string {
  return EXPORT_FORMATS[format].endings[0];
}

/** Lists the endings that exports get, as in `.safetensors or .pth`. */
export function exportEndings(or: string): string {
  return EXPORT_FORMAT_NAMES.map((format) => `.${endingOf(format)}`).join(or);
}

/** Finds the format by a file's ending, also by that of an index of several files; null for any other ending. */
export function formatOfPath(path: string): ExportFormat | null {
  const name = path.toLowerCase();
  const plain = name.endsWith(INDEX) ? name.slice(0, -INDEX.length) : name;
  return ROWS.find(([, { endings }]) => endings.some((ending) => plain.endsWith(`.${ending}`)))?.[0] ?? null;
}

/** Finds the format by the kind that a file's content shows. */
export function formatOfKind(kind: WeightKind): ExportFormat {
  return ROWS.find(([, { kinds }]) => kind in kinds)![0];
}

/** Says a kind of weight file in English. */
export function kindWords(kind: WeightKind): string {
  return ROWS.find(([, { kinds }]) => kind in kinds)![1].kinds[kind];
}

/** Tells whether a file is one of the several that an index names, as in `model-00001-of-00002.pth`. */
export function isShard(path: string): boolean {
  return formatOfPath(path) !== null && /-\d{5}-of-\d{5}\.\w+$/.test(path);
}
