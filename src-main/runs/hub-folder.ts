import { jsonFile, textFile, type FileToWrite } from '../base/folder.ts';
import { safetensorsBytes, writeSafetensors } from '../formats/safetensors.ts';
import type { ArrayToWrite } from '../formats/named-array.ts';
import { hubArrays, hubClassOf, type HubClass } from '../model/hub-names.ts';
import type { Model } from '../model/model.ts';
import { preparationOf } from '../model/zoo.ts';
import { StillhouseError } from '../protocol/errors.ts';
import type { Preprocessing } from '../protocol/export.ts';
import type { NetworkToWrite } from './export-network.ts';

/** Folders as the libraries of others load them. */

/** Lists the files of a folder for `timm.create_model('local-dir:…', pretrained=True)`. */
export function timmFolder(network: NetworkToWrite): FileToWrite[] {
  return [weightsFile(network.arrays), jsonFile('config.json', timmConfig(network)), ...cardOf(network)];
}

function timmConfig({ model, classes, prepared }: NetworkToWrite): object {
  const { inputSize, inputWidth = inputSize, cropRatio, interpolation, mean, std } = prepared;
  const usual = preparationOf(model.name).inputSize;
  const isOther = inputSize !== usual || inputWidth !== usual;
  const isTransformer = model.attentionHeads !== undefined;
  const [classifier, first] = endsOf(model);
  return {
    architecture: model.name,
    num_classes: model.classes,
    num_features: model.specs.find(({ name }) => name === `${[classifier].flat()[0]}.weight`)!.shape[1],
    global_pool: isTransformer ? 'token' : 'avg',
    // Image transformers alone are built for a size.
    ...(isTransformer && isOther && { model_args: { img_size: [inputSize, inputWidth] } }),
    ...(classes && { label_names: classes }),
    pretrained_cfg: {
      ...{ custom_load: false, input_size: [3, inputSize, inputWidth], fixed_input_size: isTransformer },
      ...{ interpolation, crop_pct: cropRatio, crop_mode: 'center', mean, std },
      ...{ num_classes: model.classes, first_conv: first, classifier },
    },
  };
}

/** The names of the heads, and of the first convolution: the layers that take a new number of classes or channels. */
function endsOf({ specs, distilled }: Model): [classifier: string | string[], first: string] {
  const modules = specs.filter(({ name, shape }) => name.endsWith('.weight') && shape.length > 1);
  const name = (at: number): string => modules.at(at)!.name.replace(/\.weight$/, '');
  return [distilled ? [name(-2), name(-1)] : name(-1), name(0)];
}

/**
 * Lists the files of a folder for `AutoModelForImageClassification.from_pretrained`.
 * @throws StillhouseError `export.network` for a network that transformers has not.
 */
export function huggingFaceFolder(network: NetworkToWrite): FileToWrite[] {
  const { model, prepared, arrays } = network;
  const hub = hubClassOf(model);
  if (!hub) throw new StillhouseError('export.network', { model: model.name, format: 'huggingface', instead: 'timm' });
  return [
    weightsFile(hubArrays(hub, arrays)),
    jsonFile('config.json', hubConfig(hub, network)),
    jsonFile('preprocessor_config.json', preprocessorConfig(prepared)),
    ...cardOf(network),
  ];
}

function hubConfig({ type, architecture }: HubClass, { model, classes, prepared }: NetworkToWrite): object {
  const shapeOf = (wanted: string): number[] => model.specs.find(({ name }) => name === wanted)!.shape;
  const { inputSize, inputWidth = inputSize } = prepared;
  const [width, , patch] = shapeOf('patch_embed.proj.weight');
  return {
    ...{ architectures: [architecture], model_type: type, dtype: 'float32' },
    ...{ hidden_size: width, num_attention_heads: model.attentionHeads },
    num_hidden_layers: model.specs.filter(({ name }) => name.endsWith('.attn.qkv.weight')).length,
    intermediate_size: shapeOf('blocks.0.mlp.fc1.weight')[0],
    ...{ hidden_act: 'gelu', qkv_bias: true, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 },
    // Without it transformers takes 1e-12, which shifts the logits.
    layer_norm_eps: 1e-6,
    ...{
      image_size: inputWidth === inputSize ? inputSize : [inputSize, inputWidth],
      patch_size: patch,
      num_channels: 3,
    },
    ...labelsOf(model, classes),
  };
}

/** The names of the outputs as transformers wants them; those that it makes up where nobody has given any. */
function labelsOf({ classes: count }: Model, classes: readonly string[] | null): object {
  const names = classes ?? Array.from({ length: count }, (_, label) => `LABEL_${label}`);
  return { id2label: { ...names }, label2id: Object.fromEntries(names.map((name, label) => [name, label])) };
}

/** PIL's numbers of its filters. */
const FILTERS: Readonly<Record<string, number>> = { bilinear: 2, bicubic: 3 };

/** Says how images are prepared as transformers and transformers.js want it. */
function preprocessorConfig({
  inputSize,
  inputWidth = inputSize,
  cropRatio,
  interpolation,
  mean,
  std,
}: Preprocessing): object {
  const sides = { height: inputSize, width: inputWidth };
  // The shorter edge of what is cut; as many pixels as our own evaluation makes it.
  const edge = Math.trunc(Math.max(inputSize, inputWidth) / cropRatio);
  return {
    image_processor_type: 'DeiTImageProcessor',
    ...{ do_resize: true, size: { shortest_edge: edge }, resample: FILTERS[interpolation] },
    ...{ do_center_crop: true, crop_size: sides, do_rescale: true, rescale_factor: 1 / 255 },
    ...{ do_normalize: true, image_mean: mean, image_std: std },
  };
}

function weightsFile(arrays: readonly ArrayToWrite[]): FileToWrite {
  const metadata = { format: 'pt' };
  return {
    name: 'model.safetensors',
    bytes: safetensorsBytes(arrays, metadata),
    chunks: () => writeSafetensors(arrays, metadata),
  };
}

function cardOf({ card }: NetworkToWrite): FileToWrite[] {
  return card === undefined ? [] : [textFile('README.md', card)];
}
