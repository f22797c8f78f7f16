/** What a reader of an exported file has to give to timm. */
export interface ExportedModel {
  model: string;
  classes: number;
  inputSize: number;
  format: 'safetensors' | 'pth';
  path: string;
}

/** Python lines that open an exported file with timm; only models with patches take an input size. */
export function timmSnippet({ model, classes, inputSize, format, path }: ExportedModel): string {
  const size = model.includes('_patch') ? `, img_size=${inputSize}` : '';
  // JSON's text with its escapes is Python's too.
  const file = JSON.stringify(path);
  const read =
    format === 'safetensors' ? `safetensors.torch.load_file(${file})` : `torch.load(${file}, weights_only=True)`;
  return [
    format === 'safetensors' ? 'import safetensors.torch, timm' : 'import timm, torch',
    `model = timm.create_model(${JSON.stringify(model)}, num_classes=${classes}${size})`,
    `model.load_state_dict(${read})`,
  ].join('\n');
}
