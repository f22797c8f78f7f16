import type { ReasonValue } from '../protocol/reasons.ts';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { modelNamed } from '../model/zoo.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { parseCard, type CardValues } from '../protocol/teacher-card.ts';

/** Reads what a folder of the hub says of the weights in it: `config.json` of timm or of transformers. */

export interface HubConfig {
  /** The file that says it, be it by its name. */
  path: string;
  /** The network as it is called there, and by our name; null where there is none here. */
  named: string;
  model: string | null;
  classes: string[] | null;
  /** How images are prepared, as far as it says. */
  values: CardValues;
  /** Width of the images where they are not square. */
  inputWidth?: number;
  /** Whole images are pressed into the square, whatever their shape. */
  squash: boolean;
}

type Json = Record<string, unknown>;
const MAX_BYTES = 1 << 26;
/** Files of the hub that a config belongs to. */
const OF_HUB =
  /^((model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)|(model\.safetensors|pytorch_model\.bin)\.index\.json)$/;

/**
 * Reads the config beside a weight file of the hub; null where there is none, or none of a network.
 * @throws StillhouseError `weights.config` for what is malformed, and for a network that computes otherwise than ours.
 */
export function readHubConfig(weights: string): HubConfig | null {
  const path = join(dirname(weights), 'config.json');
  if (!OF_HUB.test(basename(weights)) || !existsSync(path)) return null;
  const json = readJson(path);
  if (typeof json.architecture === 'string') return timmConfig(path, json, json.architecture);
  return typeof json.model_type === 'string' ? transformersConfig(path, json, json.model_type) : null;
}

function readJson(path: string): Json {
  if (statSync(path).size > MAX_BYTES) throw wrong(path, 'size', 'at most 64 MiB', String(statSync(path).size));
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrong(path, 'JSON', '{…}', (error as Error).message.slice(0, 100));
  }
  if (!isJson(json)) throw wrong(path, 'JSON', '{…}', typeof json);
  return json;
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(path: string, key: ReasonValue, expected: ReasonValue, got: unknown): StillhouseError {
  const text = typeof got === 'string' ? got : JSON.stringify(got);
  return new StillhouseError('weights.config', { path, key, expected, got: (text ?? '–').slice(0, 200) });
}

/** Keys of `model_args` that change no number, or that are checked elsewhere. */
const HARMLESS = new Set(['img_size', 'num_classes', 'drop_rate', 'drop_path_rate', 'global_pool', 'in_chans', 'act_layer']); // prettier-ignore

function timmConfig(path: string, json: Json, named: string): HubConfig {
  const own = isJson(json.pretrained_cfg) ? json.pretrained_cfg : json;
  const args = isJson(json.model_args) ? json.model_args : {};
  const model = modelNamed(named);
  if (model) refuseOthers(path, model, { ...args, global_pool: args.global_pool ?? json.global_pool });
  const [side, inputWidth] = sidesOf(args.img_size ?? own.input_size);
  const mode = own.crop_mode ?? 'center';
  if (mode !== 'center' && mode !== 'squash') throw wrong(path, 'crop_mode', 'center', mode);
  const given = {
    inputSize: side,
    cropRatio: own.crop_pct,
    interpolation: own.interpolation,
    mean: own.mean,
    std: own.std,
  };
  const classes = namesOf(path, 'label_names', json.label_names ?? own.label_names ?? json.labels ?? own.labels);
  return { path, named, model, classes, values: checked(path, given), inputWidth, squash: mode === 'squash' };
}

/** Arguments that make another network of a name are not known here. */
function refuseOthers(path: string, model: string, args: Json): void {
  const pool = args.global_pool;
  const usual = /^(test_)?(deit|vit)/.test(model) ? 'token' : 'avg';
  if (pool !== undefined && pool !== usual) throw wrong(path, 'global_pool', usual, pool);
  if (args.in_chans !== undefined && args.in_chans !== 3) throw wrong(path, 'in_chans', '3', args.in_chans);
  const other = Object.keys(args).find((key) => !HARMLESS.has(key) && args[key] !== null && args[key] !== undefined);
  if (other) throw wrong(path, `model_args.${other}`, '–', args[other]);
}

/** Height, and width where it is another, of `224`, `[224, 320]` or `[3, 224, 320]`. */
function sidesOf(size: unknown): [height: unknown, width: number | undefined] {
  if (!Array.isArray(size)) return [size, undefined];
  const [height, width] = (size as unknown[]).slice(-2);
  return [height, typeof width === 'number' && width !== height ? width : undefined];
}

/** By width and patch, as transformers has them; heads are 64 wide. */
const WIDTHS: Readonly<Record<number, string>> = { 192: 'tiny', 384: 'small', 768: 'base', 1024: 'large' };

function transformersConfig(path: string, json: Json, type: string): HubConfig | null {
  const { hidden_size: width, num_hidden_layers: depth, num_attention_heads: heads } = json;
  const { patch_size: patch } = json;
  const [size, inputWidth] = sidesOf(json.image_size);
  const named = `${type} ${JSON.stringify([width, depth, heads, patch]).slice(1, -1)}`;
  const labels = namesOf(path, 'id2label', json.id2label);
  // What transformers writes where nobody gave names.
  const classes = labels?.every((name, number) => name === `LABEL_${number}`) ? null : labels;
  const prepared = preprocessorOf(path);
  const values = checked(path, { ...prepared.given, inputSize: prepared.given.inputSize ?? size });
  if (type !== 'vit' && type !== 'deit') return { path, named: type, model: null, classes, values, squash: false };
  const { hidden_act: act = 'gelu', qkv_bias: bias = true } = json;
  if (act !== 'gelu') throw wrong(path, 'hidden_act', 'gelu', act);
  if (bias !== true) throw wrong(path, 'qkv_bias', 'true', bias);
  if (Number(heads) * 64 !== width) throw wrong(path, 'num_attention_heads', String(Number(width) / 64), heads);
  const distilled = JSON.stringify(json.architectures ?? '').includes('WithTeacher') ? '_distilled' : '';
  const name = `${type}_${WIDTHS[Number(width)]}${distilled}_patch${Number(patch)}_`;
  const model = modelNamed(`${name}${Number(size)}`) ?? modelNamed(`${name}224`);
  return { path, named, model, classes, values, inputWidth, squash: prepared.squash };
}

/** PIL's numbers of its filters. */
const FILTERS: Readonly<Record<number, string>> = { 2: 'bilinear', 3: 'bicubic' };

/** Reads how images are prepared from `preprocessor_config.json`. */
function preprocessorOf(config: string): { given: Json; squash: boolean } {
  const path = join(dirname(config), 'preprocessor_config.json');
  if (!existsSync(path)) return { given: {}, squash: false };
  const json = readJson(path);
  const { image_mean: mean, image_std: std, resample = 2, do_normalize = true, do_center_crop: cuts = false } = json;
  const filter = FILTERS[Number(resample)];
  if (!filter) throw wrong(path, 'resample', '2, 3', resample);
  const scale = json.rescale_factor ?? 1 / 255;
  if (json.do_rescale === false || Math.abs(Number(scale) * 255 - 1) > 1e-3)
    throw wrong(path, 'rescale_factor', '1 / 255', json.do_rescale === false ? 'do_rescale: false' : scale);
  const [resized, cropped] = [lengthOf(json.size), lengthOf(json.crop_size)];
  const inputSize = cuts ? cropped : resized;
  const plain = do_normalize === false ? { mean: [0, 0, 0], std: [1, 1, 1] } : { mean, std };
  const longest = Math.max(cropped ?? 0, widthOf(json.crop_size) ?? 0);
  const cropRatio = cuts && cropped && resized ? Math.min(1, longest / resized) : 1;
  const squash = json.do_resize !== false && !isShortest(json.size);
  return { given: { interpolation: filter, inputSize, cropRatio, ...plain }, squash };
}

function isShortest(size: unknown): boolean {
  return isJson(size) && size.shortest_edge !== undefined;
}

function widthOf(size: unknown): number | undefined {
  return isJson(size) && typeof size.width === 'number' ? size.width : undefined;
}

function lengthOf(size: unknown): number | undefined {
  const side = isJson(size) ? (size.shortest_edge ?? size.height) : size;
  return typeof side === 'number' ? side : undefined;
}

/** Card values one by one. @throws StillhouseError `weights.config` */
function checked(path: string, given: Json): CardValues {
  const there = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  const read = parseCard(JSON.stringify(Object.fromEntries(there)));
  if ('expected' in read) throw wrong(path, read.key, read.expected, read.got);
  return read;
}

/** Reads the names of outputs from a list, or from a dict from number to name. */
export function namesOf(path: string, key: string, given: unknown): string[] | null {
  if (given === undefined || given === null) return null;
  const list = Array.isArray(given) ? (given as unknown[]) : isJson(given) ? listed(given) : null;
  if (list?.length && list.every((name): name is string => typeof name === 'string' && name !== '')) return list;
  throw wrong(path, key, '["cat", "dog"], {"0": "cat", "1": "dog"}', given);
}

/** ImageNet's own index has a synset and a word for each number: the synset is the name. */
function listed(dict: Json): unknown[] {
  const entries = Object.entries(dict);
  const byNumber = entries.every(([number]) => /^\d+$/.test(number));
  const names = byNumber ? dict : Object.fromEntries(entries.map(([name, number]) => [String(number), name]));
  const named = (value: unknown): unknown => (Array.isArray(value) ? (value as unknown[])[0] : value);
  return entries.map((_, number) => named(names[String(number)]));
}
