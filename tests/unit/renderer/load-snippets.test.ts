import { describe, expect, it } from 'vitest';
import { stillhouseSnippet, pythonSnippet } from '../../../src-renderer/components/export/load-snippets.ts';

const shared = { model: 'deit_tiny_distilled_patch16_224', classes: 3, inputSize: 32, wrapped: false } as const;

// tests/parity/snippets.test.ts runs these with torch and timm where they are installed.
describe('how an export is loaded with timm', () => {
  it('reads safetensors, and prepares images by what the file says', () => {
    expect(pythonSnippet({ ...shared, format: 'safetensors', path: '/a "b"/m.safetensors' })).toMatchInlineSnapshot(`
      "import json, safetensors, timm, torch
      from PIL import Image
      from timm.data import create_transform

      with safetensors.safe_open("/a \\"b\\"/m.safetensors", "pt") as file:
          weights = {name: file.get_tensor(name) for name in file.keys()}
          about = file.metadata()
      model = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=3, img_size=32)
      model.load_state_dict(weights)
      model.eval()

      view = create_transform(json.loads(about["input_size"]), interpolation=about["interpolation"], crop_pct=json.loads(about["crop_pct"]),
                              mean=json.loads(about["mean"]), std=json.loads(about["std"]))
      image = view(Image.open("image.jpg").convert("RGB"))
      with torch.inference_mode():
          probabilities = model(image[None]).softmax(-1)[0]
      print(json.loads(about["classes"])[int(probabilities.argmax())], float(probabilities.max()))"
    `);
  });

  it('reads a state dict, bare or beside a moving average', () => {
    const bare = pythonSnippet({ ...shared, format: 'pth', path: 'm.pth' }).split('\n');
    const wrapped = pythonSnippet({ ...shared, format: 'pth', path: 'm.pth', wrapped: true }).split('\n');
    expect(bare.slice(4, 6)).toEqual([
      'saved = torch.load("m.pth", weights_only=True)',
      'weights, about = saved, saved.metadata',
    ]);
    expect(wrapped.filter((line, at) => line !== bare[at])).toEqual([
      'weights, about = saved["model"], saved["metadata"]',
    ]);
  });

  it('gives a size only to models that take one', () => {
    const [line] = pythonSnippet({ ...shared, model: 'regnety_160', format: 'pth', path: 'm' }).match(
      /.*create_model.*/,
    )!;
    expect(line).toBe('model = timm.create_model("regnety_160", num_classes=3)');
  });
});

it('quotes what a shell would take apart', () => {
  expect(stillhouseSnippet({ path: "/it's here/m.pth" }, '/data')).toBe(
    [
      `npx stillhouse inspect '/it'\\''s here/m.pth'`,
      `npx stillhouse evaluate --checkpoint '/it'\\''s here/m.pth' --data-path /data --json`,
    ].join('\n'),
  );
});
