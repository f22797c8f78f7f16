/** Describes one format in which networks are exported: a file, or a folder of files. */
interface FormatRow {
  /** Endings of file names, without the dot. An export gets the first one; the others are read as well. */
  endings: readonly string[];
  /** The end of the name of an export that is a folder, in place of an ending. */
  folder?: string;
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
  timm: {
    endings: [],
    folder: '-timm',
    kinds: {},
    name: 'timm folder',
    about:
      "For Python: timm.create_model('local-dir:…', pretrained=True) and transformers' pipeline; with a model card.",
    readBy: 'timm, transformers (pipeline), Hugging Face hub, Stillhouse',
    holdsAverage: false,
  },
  huggingface: {
    endings: [],
    folder: '-huggingface',
    kinds: {},
    name: 'Hugging Face folder',
    about: "DeiT and ViT under transformers' own names, for AutoModel and the hub; with a model card.",
    readBy: 'transformers, Hugging Face hub, Stillhouse',
    holdsAverage: false,
  },
} as const satisfies Record<string, FormatRow>;

export type ExportFormat = keyof typeof EXPORT_FORMATS;
type KindOf<Row> = Row extends { kinds: infer Kinds } ? keyof Kinds : never;
/** The kind of a weight file by its content. */
export type WeightKind = KindOf<(typeof EXPORT_FORMATS)[ExportFormat]>;

export const EXPORT_FORMAT_NAMES = Object.keys(EXPORT_FORMATS) as [ExportFormat, ...ExportFormat[]];
const ROWS: readonly (readonly [ExportFormat, FormatRow])[] = EXPORT_FORMAT_NAMES.map((name) => [name, EXPORT_FORMATS[name]]); // prettier-ignore

/** Formats of weight files: those that are read again by their content. */
const WEIGHT_ROWS = ROWS.filter(([, { kinds }]) => Object.keys(kinds).length > 0);
/** Every ending of a weight file, without the dot. */
export const WEIGHT_ENDINGS: readonly string[] = WEIGHT_ROWS.flatMap(([, { endings }]) => endings);
const INDEX = '.index.json';

/** Returns the end of the name that an export gets: `.pth`, or that of a folder. */
export function nameEnd(format: ExportFormat): string {
  const { folder, endings }: FormatRow = EXPORT_FORMATS[format];
  return folder ?? `.${endings[0]}`;
}

/** Tells whether an export of a format is a folder. */
export function isFolderFormat(format: ExportFormat): boolean {
  return 'folder' in EXPORT_FORMATS[format];
}

/** Lists the endings that weight files get, as in `.safetensors or .pth`. */
export function exportEndings(or: string): string {
  return WEIGHT_ROWS.map(([, { endings }]) => `.${endings[0]}`).join(or);
}

/** Finds the format of a weight file by its ending, also by that of an index of several; null for any other. */
export function weightFormatOf(path: string): ExportFormat | null {
  return formatAmong(WEIGHT_ROWS, path);
}

/** Finds the format of an export by its name, be it a file or a folder; null for any other. */
export function formatOfPath(path: string): ExportFormat | null {
  return formatAmong(ROWS, path);
}

function formatAmong(rows: typeof ROWS, path: string): ExportFormat | null {
  const name = path.toLowerCase();
  const plain = name.endsWith(INDEX) ? name.slice(0, -INDEX.length) : name;
  const ends = ({ endings, folder }: FormatRow) => [...endings.map((ending) => `.${ending}`), ...(folder ? [folder] : [])]; // prettier-ignore
  return rows.find(([, row]) => ends(row).some((end) => plain.endsWith(end)))?.[0] ?? null;
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
  return weightFormatOf(path) !== null && /-\d{5}-of-\d{5}\.\w+$/.test(path);
}
