import { ATTR, type Attr } from './dtypes.ts';
import { execute, executeAsync } from './eager.ts';
import type { TensorFlow } from './tensorflow.ts';
import { checked, type Pointer, type Tf } from './library.ts';
import { deleteStrings, describeHandle, fromHandle, handleOf, toHandle, toTensor } from './tensors.ts';

/** Decoding images with TensorFlow's kernels. Images are uint8 RGB, row by row. */

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
 * The parts of an engine that decoding needs: the library as this thread has loaded it, and the process's one context.
 */
export type DecoderParts = Pick<TensorFlow, 'tf' | 'context'>;

/** Memory for an image of that size. */
type Room = (width: number, height: number) => Uint8Array;

/**
 * Decodes a JPEG (CMYK too), PNG (16-bit, palette and alpha become 8-bit RGB), GIF (first frame), BMP or WebP (first
 * frame), off the event loop.
 * @throws StillhouseError `engine.op` with the decoder's words when the bytes are damaged.
 */
export async function decodeImage({ tf, context }: DecoderParts, bytes: Uint8Array): Promise<Pixels> {
  const inputs = newInputs(tf, bytes, null);
  try {
    const { op, attrs } = orderFor(bytes, null);
    const [image] = await executeAsync(tf, context, op, attrs, inputs.handles, 1);
    let pixels: Pixels | undefined;
    copyOut(tf, image, (width, height) => {
      pixels = { width, height, data: Buffer.allocUnsafeSlow(width * height * 3) };
      return pixels.data;
    });
    return pixels!;
  } finally {
    inputs.free();
  }
}

/**
 * Decodes an image on this thread into the memory that `room` gives. Of a JPEG only `crop` (inside the image) is
 * decoded when it is not null; its bytes are those of the whole image, except for the leftmost and rightmost column.
 * @throws StillhouseError `engine.op` with the decoder's words when the bytes are damaged.
 */
export function decodeImageNow(
  { tf, context }: DecoderParts,
  bytes: Uint8Array,
  crop: Rectangle | null,
  room: Room,
): void {
  const inputs = newInputs(tf, bytes, crop);
  try {
    const { op, attrs } = orderFor(bytes, crop);
    const [image] = execute(tf, context, op, attrs, inputs.handles, 1);
    copyOut(tf, image, room);
  } finally {
    inputs.free();
  }
}

function newInputs(tf: Tf, bytes: Uint8Array, crop: Rectangle | null): { handles: Pointer[]; free(): void } {
  const file = toTensor(tf, [], 'string', [bytes]);
  const handles = [handleOf(tf, file)];
  if (crop) handles.push(toHandle(tf, [4], 'int32', Int32Array.of(crop.top, crop.left, crop.height, crop.width)));
  return {
    handles,
    free: () => {
      for (const handle of handles) tf.TFE_DeleteTensorHandle(handle);
      // After the handles, which share its memory.
      deleteStrings(tf, file, 1);
    },
  };
}

const integer = (name: string, value: number): Attr => ({ name, type: ATTR.int, value });
const flag = (name: string, value: boolean): Attr => ({ name, type: ATTR.bool, value });
const text = (name: string, value: string): Attr => ({ name, type: ATTR.string, value });

/** The op that decodes a file; its result is [H, W, 3], or [F, H, W, 3] for the frames of a WebP. */
function orderFor(bytes: Uint8Array, crop: Rectangle | null): { op: string; attrs: Attr[] } {
  const channels = integer('channels', 3);
  if (isJpeg(bytes)) {
    // Pillow's libjpeg settings: exact DCT, smooth chroma upsampling.
    const attrs = [channels, text('dct_method', 'INTEGER_ACCURATE'), flag('fancy_upscaling', true)];
    return { op: crop ? 'DecodeAndCropJpeg' : 'DecodeJpeg', attrs };
  }
  if (isWebp(bytes)) return { op: 'DecodeWebP', attrs: [channels] };
  return { op: 'DecodeImage', attrs: [channels, flag('expand_animations', false)] };
}

function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

function isWebp(bytes: Uint8Array): boolean {
  return bytes[0] === 0x52 && bytes[1] === 0x49 && bytes[8] === 0x57 && bytes[9] === 0x45;
}

/** Copies the (first) image of a handle to `room` and deletes the handle. */
function copyOut(tf: Tf, image: Pointer, room: Room): void {
  try {
    const [height, width] = describeHandle(tf, image).shape.slice(-3);
    const into = room(width, height);
    const tensor = checked(tf, 'read tensor', (status) => tf.TFE_TensorHandleResolve(image, status) as Pointer);
    tf.libc.copyIn(into, tf.TF_TensorData(tensor), width * height * 3);
    tf.TF_DeleteTensor(tensor);
  } finally {
    tf.TFE_DeleteTensorHandle(image);
  }
}

/** Says how an image is written as JPEG. */
export interface JpegOptions {
  /** 1 to 100. */
  quality: number;
  /** Whether colour is kept at every pixel. Default true. */
  fullColour?: boolean;
  /** Default false. */
  progressive?: boolean;
}

/** Encodes an image as JPEG. */
export async function encodeJpeg(
  { tf, context }: DecoderParts,
  pixels: Pixels,
  options: JpegOptions,
): Promise<Uint8Array> {
  const { width, height, data } = pixels;
  const { quality, fullColour = true, progressive = false } = options;
  const attrs = [
    text('format', 'rgb'),
    integer('quality', quality),
    flag('progressive', progressive),
    flag('chroma_downsampling', !fullColour),
  ];
  const image = toHandle(tf, [height, width, 3], 'uint8', data);
  try {
    const [file] = await executeAsync(tf, context, 'EncodeJpeg', attrs, [image], 1);
    const [bytes] = fromHandle(tf, file) as Uint8Array[];
    tf.TFE_DeleteTensorHandle(file);
    return bytes;
  } finally {
    tf.TFE_DeleteTensorHandle(image);
  }
}
