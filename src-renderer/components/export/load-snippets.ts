import type { ExportFormat } from '../../../src-main/protocol/export-formats.ts';

/** Facts that a reader of an exported file needs. */
export interface ExportedModel {
  model: string;
  classes: number;
  inputSize: number;
  /** Of images that are not square. */
  inputWidth?: number;
  format: ExportFormat;
  /** The state dict of a .pth stands under the name `model`. */
  wrapped: boolean;
  path: string;
}

/** Names the program that the lines are for; null where any browser does. */
export function readerOf(format: ExportFormat): string | null {
  if (format === 'demo' || format === 'demo-folder') return null;
  return OTHER_READERS[format] ?? 'timm';
}

const OTHER_READERS: Partial<Record<ExportFormat, string>> = {
  ...{ huggingface: 'transformers', 'saved-model': 'TensorFlow', tfjs: 'TF.js', 'tfjs-float16': 'TF.js' },
  ...{ onnx: 'onnxruntime', 'onnx-float16': 'onnxruntime', 'onnx-int8': 'onnxruntime' },
};

/** How Python reads the weights of one format and, beside them, the facts by which images are prepared. */
interface PythonReader {
  imports: string;
  /** Lines that set `weights`, a state dict, and `about`, a dict of facts. */
  lines(exported: ExportedModel): string[];
  /** The expression of a fact in `about`, and of one that is a plain text. */
  fact(name: string): string;
  text(name: string): string;
}

const READERS: Readonly<Partial<Record<ExportFormat, PythonReader>>> = {
  safetensors: {
    imports: 'import json, safetensors, timm, torch',
    lines: ({ path }) => [
      `with safetensors.safe_open(${quoted(path)}, "pt") as file:`,
      '    weights = {name: file.get_tensor(name) for name in file.keys()}',
      '    about = file.metadata()',
    ],
    fact: (name) => `json.loads(about["${name}"])`,
    text: (name) => `about["${name}"]`,
  },
  pth: {
    imports: 'import timm, torch',
    lines: ({ path, wrapped }) => {
      const [weights, about] = wrapped ? ['saved["model"]', 'saved["metadata"]'] : ['saved', 'saved.metadata'];
      return [`saved = torch.load(${quoted(path)}, weights_only=True)`, `weights, about = ${weights}, ${about}`];
    },
    fact: (name) => `about["${name}"]`,
    text: (name) => `about["${name}"]`,
  },
};

/** Writes Python lines that make the exported network and ask it about an image. */
export function pythonSnippet(exported: ExportedModel): string {
  const { format } = exported;
  const reader = READERS[format];
  if (reader) return weightsSnippet(exported, reader);
  return (OTHERS[format] ?? pipelineSnippet)(exported);
}

const OTHERS: Partial<Record<ExportFormat, (exported: ExportedModel) => string>> = {
  timm: timmFolderSnippet,
  onnx: onnxSnippet,
  'onnx-float16': onnxSnippet,
  'onnx-int8': onnxSnippet,
  'saved-model': savedModelSnippet,
  tfjs: tfjsSnippet,
  'tfjs-float16': tfjsSnippet,
  demo: demoSnippet,
  'demo-folder': demoSnippet,
};

/** Lines that cut an image as the evaluation does, by what the export says of it in `about`. */
const VIEW = [
  'mean, std, sides = (json.loads(about[key]) for key in ("mean", "std", "input_size"))',
  'height, width = sides[1:]',
  'image = Image.open("image.jpg").convert("RGB")',
  'scale = int(max(height, width) / float(about["crop_pct"])) / min(image.size)',
  'filter = Image.Resampling[about["interpolation"].upper()]',
  'image = image.resize([round(scale * side) for side in image.size], filter)',
  'left, top = (image.width - width) // 2, (image.height - height) // 2',
  'pixels = numpy.asarray(image.crop((left, top, left + width, top + height)))[None]',
];
const NAMED = [
  'names = json.loads(about.get("classes", "null")) or range(len(logits))',
  'print(names[logits.argmax()], logits)',
];

function onnxSnippet({ path }: ExportedModel): string {
  return [
    'import json, numpy, onnxruntime',
    'from PIL import Image',
    '',
    `session = onnxruntime.InferenceSession(${quoted(path)})`,
    'about = session.get_modelmeta().custom_metadata_map',
    ...VIEW,
    'name = session.get_inputs()[0].name',
    'if name == "pixel_values":',
    '    pixels = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2).astype("float32")',
    'logits = session.run(["logits"], {name: pixels})[0][0]',
    ...NAMED,
  ].join('\n');
}

function savedModelSnippet({ path }: ExportedModel): string {
  return [
    'import json, numpy, tensorflow as tf',
    'from PIL import Image',
    '',
    `folder = ${quoted(path)}`,
    'loaded = tf.saved_model.load(folder)',
    'model = loaded.signatures["serving_default"]',
    'about = json.load(open(folder + "/assets.extra/stillhouse.json"))',
    ...VIEW,
    'name = list(model.structured_input_signature[1])[0]',
    'if name == "pixel_values":',
    '    pixels = ((pixels / 255 - mean) / std).astype("float32")',
    'logits = model(**{name: tf.constant(pixels)})["logits"][0].numpy()',
    ...NAMED,
  ].join('\n');
}

function tfjsSnippet(): string {
  return [
    "import * as tf from '@tensorflow/tfjs';",
    '',
    "const model = await tf.loadGraphModel('./model.json');",
    'const { mean, std, input_size, crop_pct } = model.metadata;',
    'const [, height, width] = JSON.parse(input_size);',
    "const pixels = tf.browser.fromPixels(document.querySelector('img'));",
    'const [h, w] = pixels.shape;',
    'const scale = Math.min(h, w) / Math.trunc(Math.max(height, width) / crop_pct);',
    'const [high, wide] = [height, width].map((side) => Math.round(side * scale));',
    'const cut = pixels.slice([(h - high) >> 1, (w - wide) >> 1, 0], [high, wide, 3]);',
    'const image = tf.image.resizeBilinear(cut, [height, width]).div(255).sub(JSON.parse(mean)).div(JSON.parse(std));',
    "model.execute({ pixel_values: image.expandDims() }, 'logits').print();",
  ].join('\n');
}

/** A page needs nothing but a browser; its folder a server on this machine. */
function demoSnippet({ path, format }: ExportedModel): string {
  return format === 'demo' ? `xdg-open ${shellWord(path)}` : `npx http-server ${shellWord(path)}`;
}

/** The folder says everything itself. */
function timmFolderSnippet({ path }: ExportedModel): string {
  return [
    'import timm, torch',
    'from PIL import Image',
    '',
    `model = timm.create_model("local-dir:" + ${quoted(path)}, pretrained=True).eval()`,
    'view = timm.data.create_transform(**timm.data.resolve_model_data_config(model))',
    'image = view(Image.open("image.jpg").convert("RGB"))',
    'with torch.inference_mode():',
    '    probabilities = model(image[None]).softmax(-1)[0]',
    'names = model.pretrained_cfg.get("label_names") or range(len(probabilities))',
    'print(names[int(probabilities.argmax())], float(probabilities.max()))',
  ].join('\n');
}

function pipelineSnippet({ path }: ExportedModel): string {
  return [
    'from transformers import pipeline',
    '',
    `classify = pipeline("image-classification", model=${quoted(path)})`,
    'best = classify("image.jpg", top_k=1)[0]',
    'print(best["label"], best["score"])',
  ].join('\n');
}

/** Only models with patches take a size. */
function weightsSnippet(exported: ExportedModel, { imports, lines, fact, text }: PythonReader): string {
  const { model, classes, inputSize, inputWidth = inputSize } = exported;
  const sides = inputWidth === inputSize ? inputSize : `(${inputSize}, ${inputWidth})`;
  const size = model.includes('_patch') ? `, img_size=${sides}` : '';
  return [
    imports,
    'from PIL import Image',
    'from timm.data import create_transform',
    '',
    ...lines(exported),
    `model = timm.create_model(${JSON.stringify(model)}, num_classes=${classes}${size})`,
    'model.load_state_dict(weights)',
    'model.eval()',
    '',
    `view = create_transform(${fact('input_size')}, interpolation=${text('interpolation')}, crop_pct=${fact('crop_pct')},`,
    `                        mean=${fact('mean')}, std=${fact('std')})`,
    'image = view(Image.open("image.jpg").convert("RGB"))',
    'with torch.inference_mode():',
    '    probabilities = model(image[None]).softmax(-1)[0]',
    `print(${fact('classes')}[int(probabilities.argmax())], float(probabilities.max()))`,
  ].join('\n');
}

/** Writes command lines of our own program that read the file: its content, its scores, its answers on a folder. */
export function stillhouseSnippet({ path }: Pick<ExportedModel, 'path'>, data: string): string {
  return [
    `npx stillhouse inspect ${shellWord(path)}`,
    `npx stillhouse evaluate --checkpoint ${shellWord(path)} --data-path ${shellWord(data)} --json`,
  ].join('\n');
}

// JSON's text with its escapes is Python's too.
const quoted = (path: string): string => JSON.stringify(path);

function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
