import type { NamedArray } from '../formats/named-array.ts';
import { namedArray } from '../formats/named-array.ts';

/**
 * Names that other programs give to the same parameters. A file has the layout of which a model knows most names. To
 * add one: "A name of weights" in docs/adding.md.
 */
export type Tensors = ReadonlyMap<string, NamedArray>;

interface Layout {
  name: string;
  /** The tensors under timm's names; those without a counterpart keep theirs. */
  toTimm(tensors: Tensors): Map<string, NamedArray>;
}

const LAYOUTS: readonly Layout[] = [
  { name: 'timm', toTimm: (tensors) => new Map(tensors) },
  { name: 'DeiT III', toTimm: renaming(fromDeit3) },
  { name: 'Stillhouse checkpoint', toTimm: fromCheckpoint },
  { name: 'efficientnet-lite0-pytorch', toTimm: renaming(fromLite0) },
  { name: 'Hugging Face', toTimm: fromHuggingFace },
];

/** Renames the tensors to timm's names by each known layout. */
export function layoutsOf(tensors: Tensors): { layout: string; tensors: Tensors }[] {
  return LAYOUTS.map(({ name, toTimm }) => ({ layout: name, tensors: toTimm(tensors) }));
}

/** Renames the tensors to timm's names by the layout that fits best, and names that layout. */
export function toTimmNames(tensors: Tensors, known: ReadonlySet<string>): { layout: string; tensors: Tensors } {
  const read = layoutsOf(tensors);
  const hits = read.map((layout) => [...layout.tensors.keys()].filter((name) => known.has(name)).length);
  return read[hits.indexOf(Math.max(...hits))];
}

function renaming(rename: (name: string) => string): Layout['toTimm'] {
  return (tensors) => new Map([...tensors].map(([name, array]) => [rename(name), array]));
}

// DeiT III's own code, and the models that timm took from it before it had LayerScale modules.
function fromDeit3(name: string): string {
  return name.replace(/^(blocks\.\d+)\.gamma_([12])$/, '$1.ls$2.gamma');
}

// The moments beside the parameters are no part of the model.
function fromCheckpoint(tensors: Tensors): Map<string, NamedArray> {
  const own = [...tensors].filter(([name]) => !/^exp_avg(_sq)?\./.test(name));
  return new Map(own.map(([name, array]) => [name.replace(/^model\./, ''), array]));
}

// Blocks are counted through; stage S of timm starts at LITE0_STAGES[S].
const LITE0_STAGES = [0, 1, 3, 5, 8, 11, 15];
const LITE0_FIRST: Record<string, string> = {
  _depthwise_conv: 'conv_dw',
  _bn1: 'bn1',
  _project_conv: 'conv_pw',
  _bn2: 'bn2',
};
const LITE0_OTHER: Record<string, string> = {
  _expand_conv: 'conv_pw',
  _bn0: 'bn1',
  _depthwise_conv: 'conv_dw',
  _bn1: 'bn2',
  _project_conv: 'conv_pwl',
  _bn2: 'bn3',
};
const LITE0_OUTER: Record<string, string> = {
  _conv_stem: 'conv_stem',
  _bn0: 'bn1',
  _conv_head: 'conv_head',
  _bn1: 'bn2',
  _fc: 'classifier',
};

function fromLite0(name: string): string {
  const [, number, part, leaf] = /^_blocks\.(\d+)\.(\w+)\.(\w+)$/.exec(name) ?? [];
  if (number === undefined) return name.replace(/^_\w+/, (outer) => LITE0_OUTER[outer] ?? outer);
  const stage = LITE0_STAGES.filter((first) => first <= Number(number)).length - 1;
  const ours = (stage === 0 ? LITE0_FIRST : LITE0_OTHER)[part] ?? part;
  return `blocks.${stage}.${Number(number) - LITE0_STAGES[stage]}.${ours}.${leaf}`;
}

/** Files have the first kind of names; version 5 of transformers uses the second kind itself. */
const HUGGING_FACE: readonly [RegExp, string][] = [
  [/^(deit|vit)\./, ''],
  [/^embeddings\.cls_token$/, 'cls_token'],
  [/^embeddings\.distillation_token$/, 'dist_token'],
  [/^embeddings\.position_embeddings$/, 'pos_embed'],
  [/^embeddings\.patch_embeddings\.projection\./, 'patch_embed.proj.'],
  [/^(encoder\.layer|layers)\.(\d+)\./, 'blocks.$2.'],
  [/\.attention\.(output\.dense|o_proj)\./, '.attn.proj.'],
  [/\.attention\.(attention\.)?(query|key|value)\./, '.attn.$2.'],
  [/\.attention\.([qkv])_proj\./, '.attn.$1.'],
  [/\.layernorm_before\./, '.norm1.'],
  [/\.layernorm_after\./, '.norm2.'],
  [/\.intermediate\.dense\./, '.mlp.fc1.'],
  [/(blocks\.\d+)\.output\.dense\./, '$1.mlp.fc2.'],
  [/^layernorm\./, 'norm.'],
  [/^(cls_)?classifier\./, 'head.'],
  [/^distillation_classifier\./, 'head_dist.'],
];

function fromHuggingFace(tensors: Tensors): Map<string, NamedArray> {
  const renamed = new Map<string, NamedArray>();
  for (const [name, array] of tensors) {
    const ours = HUGGING_FACE.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), name);
    if (!ours.startsWith('pooler.')) renamed.set(ours, array);
  }
  return joinQueries(renamed);
}

const PARTS = [
  ['query', 'key', 'value'],
  ['q', 'k', 'v'],
];

// Query, key and value are three layers there, one here.
function joinQueries(tensors: Map<string, NamedArray>): Map<string, NamedArray> {
  for (const name of [...tensors.keys()]) {
    const [, block, first, leaf] = /^(blocks\.\d+)\.attn\.(query|q)\.(\w+)$/.exec(name) ?? [];
    const names = PARTS.find(([part]) => part === first)?.map((part) => `${block}.attn.${part}.${leaf}`) ?? [];
    const parts = names.flatMap((part) => tensors.get(part) ?? []);
    if (parts.length < 3 || parts.some(({ shape }) => shape.join() !== parts[0].shape.join())) continue;
    for (const part of names) tensors.delete(part);
    tensors.set(`${block}.attn.qkv.${leaf}`, joinRows(parts));
  }
  return tensors;
}

function joinRows(parts: readonly NamedArray[]): NamedArray {
  const [rows, ...rest] = parts[0].shape;
  return namedArray('F32', [rows * parts.length, ...rest], () => {
    const floats = parts.map((part) => part.toFloat32());
    const joined = new Float32Array(floats.reduce((sum, part) => sum + part.length, 0));
    floats.forEach((part, i) => joined.set(part, i * part.length));
    return new Uint8Array(joined.buffer);
  });
}
