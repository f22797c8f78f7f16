import { ATTR, DTYPES, type Attr, type DType, type Values } from './dtypes.ts';
import { executeAsync } from './eager.ts';
import type { Engine } from './engine.ts';
import type { Pointer } from './library.ts';
import { deleteStrings, describeHandle, fromHandle, handleOf, toHandle, toTensor } from './tensors.ts';

/** Decoding and resizing pictures with TensorFlow's kernels, off the event loop. Pictures are uint8 RGB, row-major. */

export interface Pixels {
  width: number;
  height: number;
  /** width × height × 3 bytes. */
  data: Uint8Array;
}

export interface Rectangle {
  left: number;
  top: number;
  width: number;
  height: number;
}

/**
 * Decodes a JPEG (CMYK too), PNG (16-bit, palette and alpha become 8-bit RGB), GIF (first frame), BMP or WebP.
 * @throws StillhouseError `engine.op` with the decoder's words when the bytes are damaged.
 */
export async function decodeImage(engine: Engine, bytes: Uint8Array): Promise<Pixels> {
  return withScope(engine, async (scope) => {
    const picture = await decode(scope, bytes, null);
    const { shape } = describeHandle(engine.tf, picture);
    return { height: shape[0], width: shape[1], data: fromHandle(engine.tf, picture) as Uint8Array };
  });
}

/**
 * Decodes, cuts `crop` (source pixels, inside the picture) out and resizes it to `out` with an antialiased filter, as
 * Pillow's resize (cubic a = −0.5) without its rounding between the two passes: within one grey level of it.
 * Of a JPEG only the crop is decoded.
 * @returns out.width × out.height × 3 bytes.
 */
export async function cropResize(
  engine: Engine,
  bytes: Uint8Array,
  crop: Rectangle,
  out: { width: number; height: number },
  filter: 'bicubic' | 'bilinear' = 'bicubic',
): Promise<Uint8Array> {
  return withScope(engine, async (scope) => {
    const jpeg = isJpeg(bytes);
    const decoded = await decode(scope, bytes, jpeg ? crop : null);
    const window = jpeg ? decoded : await slice(scope, decoded, crop);
    const same = crop.width === out.width && crop.height === out.height;
    const resized = same ? window : await resize(scope, window, crop, out, filter);
    return fromHandle(engine.tf, resized) as Uint8Array;
  });
}

/** Handles that are freed together. */
interface Scope {
  engine: Engine;
  run(op: string, attrs: Attr[], inputs: Pointer[]): Promise<Pointer>;
  constant(shape: number[], dtype: DType, values: Values): Pointer;
  /** A scalar holding the bytes of a file. */
  contents(bytes: Uint8Array): Pointer;
}

async function withScope<Result>(engine: Engine, body: (scope: Scope) => Promise<Result>): Promise<Result> {
  const handles: Pointer[] = [];
  const files: Pointer[] = [];
  const keep = (handle: Pointer) => {
    handles.push(handle);
    return handle;
  };
  try {
    return await body({
      engine,
      run: async (op, attrs, inputs) => {
        const [handle] = await executeAsync(engine.tf, engine.context, op, attrs, inputs, 1);
        return keep(handle);
      },
      constant: (shape, dtype, values) => keep(toHandle(engine.tf, shape, dtype, values)),
      contents: (bytes) => {
        const file = toTensor(engine.tf, [], 'string', [bytes]);
        files.push(file);
        return keep(handleOf(engine.tf, file));
      },
    });
  } finally {
    for (const handle of handles) engine.tf.TFE_DeleteTensorHandle(handle);
    // After the handles, which share their memory.
    for (const file of files) deleteStrings(engine.tf, file, 1);
  }
}

const integer = (name: string, value: number): Attr => ({ name, type: ATTR.int, value });
const flag = (name: string, value: boolean): Attr => ({ name, type: ATTR.bool, value });
const text = (name: string, value: string): Attr => ({ name, type: ATTR.string, value });
const type = (name: string, value: DType): Attr => ({ name, type: ATTR.type, value: DTYPES[value].code });

function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

function isWebp(bytes: Uint8Array): boolean {
  return bytes[0] === 0x52 && bytes[1] === 0x49 && bytes[8] === 0x57 && bytes[9] === 0x45;
}

/** [H, W, 3] uint8. `crop` only for JPEG. */
async function decode(scope: Scope, bytes: Uint8Array, crop: Rectangle | null): Promise<Pointer> {
  const contents = scope.contents(bytes);
  if (isJpeg(bytes)) {
    // Pillow's libjpeg settings: exact DCT, smooth chroma upsampling.
    const attrs = [integer('channels', 3), text('dct_method', 'INTEGER_ACCURATE'), flag('fancy_upscaling', true)];
    if (!crop) return scope.run('DecodeJpeg', attrs, [contents]);
    const window = scope.constant([4], 'int32', Int32Array.of(crop.top, crop.left, crop.height, crop.width));
    return scope.run('DecodeAndCropJpeg', attrs, [contents, window]);
  }
  if (isWebp(bytes)) return firstFrame(scope, await scope.run('DecodeWebP', [integer('channels', 3)], [contents]));
  return scope.run('DecodeImage', [integer('channels', 3), flag('expand_animations', false)], [contents]);
}

/** [F, H, W, 3] → [H, W, 3]. */
async function firstFrame(scope: Scope, frames: Pointer): Promise<Pointer> {
  const [, height, width] = describeHandle(scope.engine.tf, frames).shape;
  const begin = scope.constant([4], 'int32', new Int32Array(4));
  const size = scope.constant([4], 'int32', Int32Array.of(1, height, width, 3));
  const first = await scope.run('Slice', [type('T', 'uint8'), type('Index', 'int32')], [frames, begin, size]);
  const attrs = [type('T', 'uint8'), { name: 'squeeze_dims', type: ATTR.int, value: [0] }];
  return scope.run('Squeeze', attrs, [first]);
}

async function slice(scope: Scope, picture: Pointer, crop: Rectangle): Promise<Pointer> {
  const begin = scope.constant([3], 'int32', Int32Array.of(crop.top, crop.left, 0));
  const size = scope.constant([3], 'int32', Int32Array.of(crop.height, crop.width, 3));
  return scope.run('Slice', [type('T', 'uint8'), type('Index', 'int32')], [picture, begin, size]);
}

async function resize(
  scope: Scope,
  window: Pointer,
  crop: Rectangle,
  out: { width: number; height: number },
  filter: 'bicubic' | 'bilinear',
): Promise<Pointer> {
  const axis = scope.constant([], 'int32', Int32Array.of(0));
  const batch = await scope.run('ExpandDims', [type('T', 'uint8'), type('Tdim', 'int32')], [window, axis]);
  const size = scope.constant([2], 'int32', Int32Array.of(out.height, out.width));
  const scale = scope.constant([2], 'float32', Float32Array.of(out.height / crop.height, out.width / crop.width));
  const shift = scope.constant([2], 'float32', new Float32Array(2));
  const kernel = text('kernel_type', filter === 'bicubic' ? 'keyscubic' : 'triangle');
  const attrs = [type('T', 'uint8'), kernel, flag('antialias', true)];
  const scaled = await scope.run('ScaleAndTranslate', attrs, [batch, size, scale, shift]);
  const low = scope.constant([], 'float32', new Float32Array(1));
  const high = scope.constant([], 'float32', Float32Array.of(255));
  const clipped = await scope.run('ClipByValue', [type('T', 'float32')], [scaled, low, high]);
  const half = scope.constant([], 'float32', Float32Array.of(0.5));
  const rounded = await scope.run('AddV2', [type('T', 'float32')], [clipped, half]);
  return scope.run('Cast', [type('SrcT', 'float32'), type('DstT', 'uint8')], [rounded]);
}
