import { GRAPH_FORMATS, type GraphFormat } from './graph-formats.ts';

/** Describes one format in which networks are exported: a file, or a folder of files. */
interface FormatRow {
  /** Endings of file names, without the dot. An export gets the first one; the others are read as well. */
  endings: readonly string[];
  /** The end of the name of an export that is a folder, in place of an ending. */
  folder?: string;
  /** The end of the name of a file that is not read as weights, in place of an ending. */
  file?: string;
  /** Of a format that holds what the network computes: about how many bytes it takes, each number and beside them. */
  computed?: { each: number; beside?: number };
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

/** The part of a row that follows from the format of a graph. */
function graphRow<File extends string | null>(format: GraphFormat, file: File, each: number) {
  const { about, readBy } = GRAPH_FORMATS[format];
  return { endings: [] as const, kinds: {}, ...(file !== null && { file }), computed: { each }, about, readBy, holdsAverage: false }; // prettier-ignore
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
  onnx: { ...graphRow('onnx', '.onnx', 4), name: 'ONNX' },
  'onnx-float16': {
    ...graphRow('onnx', '-float16.onnx', 2),
    name: 'ONNX, float16',
    about: 'Half the size, for GPUs; images and logits stay float32.',
  },
  'onnx-int8': {
    ...graphRow('onnx', '-int8.onnx', 1.1),
    name: 'ONNX, int8',
    about: 'A quarter of the size, for processors and browsers; image transformers only, and a little less accurate.',
  },
  'saved-model': { ...graphRow('saved-model', null, 4), folder: '-saved-model', name: 'TensorFlow SavedModel' },
  tfjs: { ...graphRow('tfjs', null, 4), folder: '-tfjs', name: 'TF.js graph model' },
  'tfjs-float16': {
    ...graphRow('tfjs', null, 2),
    folder: '-tfjs-float16',
    name: 'TF.js, float16',
    about: 'The same at half the size to load; it is widened when it is read.',
  },
  demo: {
    ...{ endings: [], kinds: {}, file: '-demo.html', holdsAverage: false },
    computed: { each: 16 / 3, beside: 19.1e6 },
    name: 'Demo page',
    about:
      'One file to hand to anyone: it opens from the disk, offline, and classifies a dropped photo. In float32, to answer as the checkpoint does.',
    readBy: 'Any current browser',
  },
  'demo-folder': {
    ...{ endings: [], kinds: {}, folder: '-demo', holdsAverage: false },
    computed: { each: 4, beside: 14.4e6 },
    name: 'Demo for a web server',
    about: 'The same page as a small folder that any web server sends.',
    readBy: 'Any web server',
  },
} as const satisfies Record<string, FormatRow>;

export type ExportFormat = keyof typeof EXPORT_FORMATS;
type KindOf<Row> = Row extends { kinds: infer Kinds } ? keyof Kinds : never;
/** The kind of a weight file by its content. */
export type WeightKind = KindOf<(typeof EXPORT_FORMATS)[ExportFormat]>;

export const EXPORT_FORMAT_NAMES = Object.keys(EXPORT_FORMATS) as [ExportFormat, ...ExportFormat[]];
const ROWS: readonly (readonly [ExportFormat, FormatRow])[] = EXPORT_FORMAT_NAMES.map((name) => [name, EXPORT_FORMATS[name]]); // prettier-ignore

const NAME = `\\s*(?:${EXPORT_FORMAT_NAMES.join('|')})\\s*`;
/** Matches names of formats with commas between them, or nothing. */
export const FORMATS_PATTERN = `^\\s*$|^${NAME}(?:,${NAME})*$`;

/** Lists the formats that a text names, each once; null where one is unknown. */
export function formatsIn(text: string): ExportFormat[] | null {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const known = (name: string): name is ExportFormat => EXPORT_FORMAT_NAMES.includes(name as ExportFormat);
  return names.every(known) ? names : null;
}

/** An export that a recipe asks for. */
export interface WantedExport {
  format: ExportFormat;
  weights: 'model' | 'average';
}

/** Lists the exports that a recipe asks for: of the model first. */
export function wantedExports(recipe: { export: string; exportWeights: string }): WantedExport[] {
  const { export: text, exportWeights } = recipe;
  const formats = formatsIn(text) ?? [];
  const of = (['model', 'average'] as const).filter((weights) => exportWeights === weights || exportWeights === 'both');
  return of.flatMap((weights) => formats.map((format) => ({ format, weights })));
}

/** Formats of weight files: those that are read again by their content. */
const WEIGHT_ROWS = ROWS.filter(([, { kinds }]) => Object.keys(kinds).length > 0);
/** Every ending of a weight file, without the dot. */
export const WEIGHT_ENDINGS: readonly string[] = WEIGHT_ROWS.flatMap(([, { endings }]) => endings);
const INDEX = '.index.json';

/** Returns the end of the name that an export gets: `.pth`, or that of a folder. */
export function nameEnd(format: ExportFormat): string {
  const { folder, file, endings }: FormatRow = EXPORT_FORMATS[format];
  return folder ?? file ?? `.${endings[0]}`;
}

/** Tells whether a format holds what the network computes, and not its weights alone: an engine records it. */
export function isComputed(format: ExportFormat): boolean {
  // The folder for Hugging Face holds the network as ONNX beside its weights.
  return 'computed' in EXPORT_FORMATS[format] || format === 'huggingface';
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
  const endOf = ({ endings, folder, file }: FormatRow): number => {
    const ends = [...endings.map((ending) => `.${ending}`), folder, file].filter((end) => end !== undefined);
    return Math.max(0, ...ends.filter((end) => plain.endsWith(end)).map(({ length }) => length));
  };
  // `-int8.onnx` is more than `.onnx`.
  const ranked = rows.map(([format, row]) => ({ format, length: endOf(row) })).sort((a, b) => b.length - a.length);
  return ranked[0].length > 0 ? ranked[0].format : null;
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
