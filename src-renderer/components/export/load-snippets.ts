import type { ExportFormat } from '../../../src-main/protocol/export.ts';

/** What a reader of an exported file has to know of it. */
export interface ExportedModel {
  model: string;
  classes: number;
  inputSize: number;
  format: ExportFormat;
  /** The state dict of a .pth stands under the name `model`. */
  wrapped: boolean;
  path: string;
}

/** Python lines that make the network with timm and ask it about an image; only models with patches take a size. */
export function timmSnippet(exported: ExportedModel): string {
  const { model, classes, inputSize, format } = exported;
  const size = model.includes('_patch') ? `, img_size=${inputSize}` : '';
  const about = format === 'safetensors' ? (name: string) => `json.loads(about["${name}"])` : (name: string) => `about["${name}"]`; // prettier-ignore
  const text = format === 'safetensors' ? 'about["interpolation"]' : about('interpolation');
  return [
    format === 'safetensors' ? 'import json, safetensors, timm, torch' : 'import timm, torch',
    'from PIL import Image',
    'from timm.data import create_transform',
    '',
    ...(format === 'safetensors' ? readSafetensors(exported) : readTorch(exported)),
    `model = timm.create_model(${JSON.stringify(model)}, num_classes=${classes}${size})`,
    'model.load_state_dict(weights)',
    'model.eval()',
    '',
    `view = create_transform(${about('input_size')}, interpolation=${text}, crop_pct=${about('crop_pct')},`,
    `                        mean=${about('mean')}, std=${about('std')})`,
    'image = view(Image.open("image.jpg").convert("RGB"))',
    'with torch.inference_mode():',
    '    probabilities = model(image[None]).softmax(-1)[0]',
    `print(${about('classes')}[int(probabilities.argmax())], float(probabilities.max()))`,
  ].join('\n');
}

function readSafetensors({ path }: ExportedModel): string[] {
  return [
    `with safetensors.safe_open(${quoted(path)}, "pt") as file:`,
    '    weights = {name: file.get_tensor(name) for name in file.keys()}',
    '    about = file.metadata()',
  ];
}

function readTorch({ path, wrapped }: ExportedModel): string[] {
  const [weights, about] = wrapped ? ['saved["model"]', 'saved["metadata"]'] : ['saved', 'saved.metadata'];
  return [`saved = torch.load(${quoted(path)}, weights_only=True)`, `weights, about = ${weights}, ${about}`];
}

/** Command lines of our own program that read the file: what it is, how it scores, what it answers on a folder. */
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
