import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { reason } from '../../../src-main/protocol/reasons.ts';
import { namedArray, type NamedArray } from '../../../src-main/formats/named-array.ts';
import { transformer } from '../../../src-main/model/deit.ts';
import { resizePositions } from '../../../src-main/model/positions.ts';
import { fitWeights } from '../../../src-main/model/weights.ts';
import { createModel } from '../../../src-main/model/zoo.ts';

type Shapes = Iterable<readonly [string, readonly number[]]>;
type Tensors = Map<string, NamedArray>;

/** Arrays of the given shapes, each with values of its own. */
function arraysOf(shapes: Shapes): Tensors {
  return new Map([...shapes].map(([name, shape], index) => [name, array([...shape], index)]));
}

function array(shape: number[], start: number): NamedArray {
  const count = shape.reduce((product, side) => product * side, 1);
  const values = Float32Array.from({ length: count }, (_, i) => start + i / 1024);
  return namedArray('F32', shape, () => new Uint8Array(values.buffer.slice(0)));
}

const shapesOf = (specs: readonly { name: string; shape: number[] }[]) =>
  specs.map(({ name, shape }) => [name, shape] as const);

const SHAPE = { patch: 8, dim: 4, depth: 2, heads: 2, distilled: true };

function tiny({ classes = 3, inputSize = 32, distilled = true } = {}) {
  return { name: 'tiny', inputSize, specs: transformer({ ...SHAPE, distilled }, { classes, inputSize }).specs };
}

const options = { path: 'x.pth', newHead: false };

function refusal(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

describe('names', () => {
  it("are timm's already: every value lands where it belongs", () => {
    const model = tiny();
    const tensors = arraysOf(shapesOf(model.specs));
    const { params, report } = fitWeights(model, tensors, options);
    expect(report).toEqual({ layout: 'timm', renewed: [], resized: [], left: [], grids: null });
    expect(Object.keys(params)).toEqual(model.specs.map(({ name }) => name));
    for (const [name, array] of tensors) expect(params[name]).toEqual(array.toFloat32());
  });

  it('of our own checkpoints, whose moments are left out', () => {
    const model = tiny();
    const ours = arraysOf(shapesOf(model.specs));
    const state = new Map(
      [...ours].flatMap(([name, array]) => ['model.', 'exp_avg.', 'exp_avg_sq.'].map((p) => [p + name, array])),
    );
    const { params, report } = fitWeights(model, state, options);
    expect(report.layout).toBe('Stillhouse checkpoint');
    expect(params['norm.bias']).toEqual(ours.get('norm.bias')!.toFloat32());
  });

  it('of efficientnet-lite0-pytorch: its 296 names become those of timm, one to one', () => {
    const path = fileURLToPath(new URL('../../fixtures/formats/lite0-keys.json', import.meta.url));
    const theirs = arraysOf(Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, number[]>));
    const model = createModel('tf_efficientnet_lite0', { classes: 1000, inputSize: 224 });
    const { params, report } = fitWeights(model, theirs, options);
    expect(report.layout).toBe('efficientnet-lite0-pytorch');
    expect(Object.keys(params).length).toBe(theirs.size);
    const pairs = {
      '_conv_stem.weight': 'conv_stem.weight',
      '_bn0.running_var': 'bn1.running_var',
      '_blocks.0._depthwise_conv.weight': 'blocks.0.0.conv_dw.weight',
      '_blocks.0._project_conv.weight': 'blocks.0.0.conv_pw.weight',
      '_blocks.0._bn2.bias': 'blocks.0.0.bn2.bias',
      '_blocks.2._expand_conv.weight': 'blocks.1.1.conv_pw.weight',
      '_blocks.7._bn0.weight': 'blocks.3.2.bn1.weight',
      '_blocks.10._bn1.weight': 'blocks.4.2.bn2.weight',
      '_blocks.14._project_conv.weight': 'blocks.5.3.conv_pwl.weight',
      '_blocks.15._bn2.running_mean': 'blocks.6.0.bn3.running_mean',
      '_conv_head.weight': 'conv_head.weight',
      '_bn1.weight': 'bn2.weight',
      '_fc.bias': 'classifier.bias',
    };
    for (const [their, ours] of Object.entries(pairs)) expect(params[ours]).toEqual(theirs.get(their)!.toFloat32());
  });
});

describe('what does not fit', () => {
  it('is listed: missing, unexpected and misshapen', () => {
    const model = tiny();
    const tensors = arraysOf(shapesOf(model.specs));
    for (const name of ['norm.weight', 'norm.bias', 'cls_token', 'dist_token']) tensors.delete(name);
    tensors.set('surplus', array([1], 0));
    tensors.set('blocks.0.attn.proj.weight', array([4, 5], 0));
    expect(refusal(() => fitWeights(model, tensors, options))).toMatchObject({
      code: 'weights.keys',
      params: {
        path: 'x.pth',
        model: 'tiny',
        missing: 'cls_token, dist_token, norm.weight and 1 more',
        unexpected: 'surplus',
        misshapen: 'blocks.0.attn.proj.weight [4, 5] for [4, 4]',
      },
    });
  });

  it('is found before anything is read', () => {
    const model = tiny();
    const trap = namedArray('F32', [1], () => expect.unreachable('was read'));
    const tensors = new Map(model.specs.map(({ name }) => [name, trap]));
    expect(refusal(() => fitWeights(model, tensors, options))).toMatchObject({ code: 'weights.keys' });
  });

  it.each([NaN, Infinity])('%s among the values is refused', (bad) => {
    const model = tiny();
    const tensors = arraysOf(shapesOf(model.specs));
    tensors.set(
      'norm.bias',
      namedArray('F32', [4], () => new Uint8Array(Float32Array.of(0, bad, 0, 0).buffer)),
    );
    expect(refusal(() => fitWeights(model, tensors, options))).toMatchObject({
      code: 'weights.format',
      params: { reason: reason('weights.not-finite', { name: 'norm.bias' }) },
    });
  });

  it.each(['I8', 'I64', 'BOOL', 'U8'] as const)('%s for a weight is refused: it would be another network', (dtype) => {
    const model = tiny();
    const tensors = arraysOf(shapesOf(model.specs));
    tensors.set(
      'norm.bias',
      namedArray(dtype, [4], () => expect.unreachable('was read')),
    );
    expect(refusal(() => fitWeights(model, tensors, options))).toMatchObject({
      code: 'weights.format',
      params: { reason: reason('weights.dtype', { name: 'norm.bias', dtype }) },
    });
  });

  it('does not include batch counters, which old files lack', () => {
    const model = createModel('tf_efficientnet_lite0', { classes: 2, inputSize: 32 });
    const kept = shapesOf(model.specs).filter(([name]) => !name.endsWith('num_batches_tracked'));
    const { params } = fitWeights(model, arraysOf(kept), options);
    expect(params['bn1.num_batches_tracked']).toEqual(Float32Array.of(0));
  });
});

describe('another number of classes', () => {
  const file = arraysOf(shapesOf(tiny({ classes: 1000 }).specs));

  it('is refused unless a new head is wanted', () => {
    expect(refusal(() => fitWeights(tiny(), file, options))).toMatchObject({
      code: 'weights.keys',
      params: { misshapen: expect.stringContaining('head.weight [1000, 4] for [3, 4]') as string },
    });
  });

  it('leaves the heads out of the parameters, and only these', () => {
    const model = tiny();
    const { params, report } = fitWeights(model, file, { ...options, newHead: true });
    const heads = ['head.weight', 'head.bias', 'head_dist.weight', 'head_dist.bias'];
    expect(report.renewed).toEqual(heads);
    expect(Object.keys(params)).toEqual(model.specs.map(({ name }) => name).filter((name) => !heads.includes(name)));
  });

  it('does not excuse a head of another width', () => {
    const tensors = new Map(file).set('head.weight', array([3, 5], 0));
    expect(refusal(() => fitWeights(tiny(), tensors, { ...options, newHead: true }))).toMatchObject({
      params: { misshapen: 'head.weight [3, 5] for [3, 4]' },
    });
  });

  it('keeps heads that fit', () => {
    const model = tiny({ classes: 1000 });
    expect(fitWeights(model, file, { ...options, newHead: true }).report.renewed).toEqual([]);
  });

  it.each([
    ['regnety_002', 'head.fc.weight'],
    ['resnet18', 'fc.weight'],
    ['tf_efficientnet_lite0', 'classifier.weight'],
  ])('works for %s', (name, head) => {
    const tensors = arraysOf(shapesOf(createModel(name, { classes: 5, inputSize: 64 }).specs));
    const model = createModel(name, { classes: 3, inputSize: 64 });
    expect(fitWeights(model, tensors, { ...options, newHead: true }).report.renewed).toContain(head);
  });
});

describe('a distillation token on one side alone', () => {
  const OF_TOKEN = ['dist_token', 'head_dist.weight', 'head_dist.bias'];
  const rows = (values: Float32Array) => Array.from({ length: values.length / 4 }, (_, row) => [...values.subarray(4 * row, 4 * row + 4)]); // prettier-ignore

  it('is refused unless a new head is wanted', () => {
    const file = arraysOf(shapesOf(tiny({ distilled: false }).specs));
    expect(refusal(() => fitWeights(tiny(), file, options))).toMatchObject({ code: 'weights.keys' });
  });

  it('of the model: drawn anew, at a position of zeros', () => {
    const [plain, distilled] = [tiny({ distilled: false }), tiny()];
    const file = arraysOf(shapesOf(plain.specs));
    const { params, report } = fitWeights(distilled, file, { ...options, newHead: true });
    expect(report).toMatchObject({ renewed: OF_TOKEN, left: [], resized: [] });
    const [first, ...patches] = rows(file.get('pos_embed')!.toFloat32());
    expect(rows(params.pos_embed)).toEqual([first, [0, 0, 0, 0], ...patches]);
    expect(params['head.weight']).toEqual(file.get('head.weight')!.toFloat32());
  });

  it('of the file: left out with its head and its position', () => {
    const [plain, distilled] = [tiny({ distilled: false }), tiny()];
    const file = arraysOf(shapesOf(distilled.specs));
    const { params, report } = fitWeights(plain, file, { ...options, newHead: true });
    expect(report).toMatchObject({ renewed: [], left: OF_TOKEN, resized: [] });
    const [first, , ...patches] = rows(file.get('pos_embed')!.toFloat32());
    expect(rows(params.pos_embed)).toEqual([first, ...patches]);
    expect(Object.keys(params)).toEqual(plain.specs.map(({ name }) => name));
  });

  it('goes with other classes and another image size', () => {
    const file = arraysOf(shapesOf(tiny({ classes: 1000 }).specs));
    const model = tiny({ distilled: false, inputSize: 48 });
    const { params, report } = fitWeights(model, file, { ...options, newHead: true });
    expect(report).toMatchObject({ renewed: ['head.weight', 'head.bias'], resized: ['pos_embed'], left: OF_TOKEN });
    expect(report.grids).toMatchObject({ from: [4, 4], to: [6, 6] });
    const values = file.get('pos_embed')!.toFloat32();
    const without = Float32Array.of(...values.subarray(0, 4), ...values.subarray(8));
    expect(params.pos_embed).toEqual(resizePositions(without, 1, 4, [4, 4], [6, 6]));
  });
});

describe('another image size', () => {
  it.each([true, false])('resizes the position embedding (distilled: %s)', (distilled) => {
    const [from, to] = [tiny({ distilled, inputSize: 32 }), tiny({ distilled, inputSize: 48 })];
    const tensors = arraysOf(shapesOf(from.specs));
    const { params, report } = fitWeights(to, tensors, options);
    expect(report.resized).toEqual(['pos_embed']);
    const extra = distilled ? 2 : 1;
    const expected = resizePositions(tensors.get('pos_embed')!.toFloat32(), extra, 4, [4, 4], [6, 6]);
    expect(params.pos_embed).toEqual(expected);
  });

  it('resizes to and from grids that are no square', () => {
    const wide = { ...tiny({ inputSize: 32 }), inputWidth: 64 };
    wide.specs = transformer(SHAPE, { classes: 3, inputSize: 32, inputWidth: 64 }).specs;
    const square = arraysOf(shapesOf(tiny({ inputSize: 48 }).specs));
    const { params } = fitWeights(wide, square, options);
    const values = (tensors: Tensors) => tensors.get('pos_embed')!.toFloat32();
    expect(params.pos_embed).toEqual(resizePositions(values(square), 2, 4, [6, 6], [4, 8]));
    // Of as many patches, but eight down and four across: only the caller knows.
    const tall = arraysOf(shapesOf(wide.specs));
    expect(fitWeights(wide, tall, options).report.resized).toEqual([]);
    const turned = fitWeights(wide, tall, { ...options, grid: [8, 4] });
    expect(turned.report.resized).toEqual(['pos_embed']);
    expect(turned.params.pos_embed).toEqual(resizePositions(values(tall), 2, 4, [8, 4], [4, 8]));
    expect(fitWeights(wide, tall, { ...options, grid: [4, 8] }).report.resized).toEqual([]);
    const wrong = refusal(() => fitWeights(tiny(), tall, { ...options, grid: [5, 5] }));
    expect(wrong).toMatchObject({ params: { misshapen: 'pos_embed [1, 34, 4] for [1, 18, 4]' } });
  });

  it('is refused where the patches are no square', () => {
    const tensors = arraysOf(shapesOf(tiny().specs)).set('pos_embed', array([1, 2 + 15, 4], 0));
    expect(refusal(() => fitWeights(tiny(), tensors, options))).toMatchObject({
      params: { misshapen: 'pos_embed [1, 17, 4] for [1, 18, 4]' },
    });
  });
});
