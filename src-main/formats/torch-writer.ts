import { shapeSize } from '../base/shape-size.ts';
import { DTYPE_BYTES, type ArrayToWrite } from './named-array.ts';
import { CODE, PickleWriter, type PickleData } from './pickle-writer.ts';
import { encodeArray } from './safetensors.ts';
import { writeZip, zipBytes, type ZipContent } from './zip-writer.ts';

/** Data to put beside the tensors, and how. */
export interface TorchFileOptions {
  /**
   * Plain data about the weights. In a bare file it is the attribute `metadata` of the state dict, so that every key
   * is a tensor; in a wrapped one it is the entry `metadata` beside the state dict.
   */
  metadata?: Record<string, PickleData>;
  /** `bare`: the state dict is the file, as timm's are. `model`: it is the entry `model` of a dict, as DeiT's are. */
  wrap?: 'bare' | 'model';
  /** A second state dict, the entry `model_ema` of a wrapped file: the moving average of the model. */
  average?: readonly ArrayToWrite[];
  /** Use the zip64 form even where it is not needed. */
  zip64?: boolean;
}

const STORAGE = { F32: 'FloatStorage', I64: 'LongStorage' } as const;
// Any folder name will do; torch uses the name of the file.
const FOLDER = 'archive';

/**
 * Writes a file that `torch.load(…, weights_only=True)` reads, piece by piece: a state dict of contiguous tensors, each
 * with a storage of its own.
 * @throws Error when values are not as many as a shape says, or a dtype is not F32 or I64: a defect of the caller.
 */
export function writeTorchFile(arrays: readonly ArrayToWrite[], options: TorchFileOptions = {}): Generator<Uint8Array> {
  return writeZip(filesOf(arrays, options), { zip64: options.zip64 });
}

/** Counts the bytes of the file that {@link writeTorchFile} makes from the same arguments, when it needs no zip64. */
export function torchFileBytes(arrays: readonly ArrayToWrite[], options: TorchFileOptions = {}): number {
  return zipBytes(filesOf(arrays, options));
}

function filesOf(arrays: readonly ArrayToWrite[], options: TorchFileOptions): ZipContent[] {
  const pickle = pickleOf(arrays, options);
  const all = [...arrays, ...(options.average ?? [])];
  const text = (name: string, content: string): ZipContent => file(name, Buffer.from(content));
  const storages = all.map((array, i) => ({
    name: `${FOLDER}/data/${i}`,
    size: shapeSize(array.shape) * DTYPE_BYTES[array.dtype],
    content: () => encodeArray(array),
  }));
  return [file('data.pkl', pickle), text('byteorder', 'little'), ...storages, text('version', '3\n')];
}

function file(name: string, bytes: Uint8Array): ZipContent {
  return { name: `${FOLDER}/${name}`, size: bytes.length, content: () => bytes };
}

function pickleOf(arrays: readonly ArrayToWrite[], options: TorchFileOptions): Uint8Array {
  const { metadata = {}, wrap = 'bare', average } = options;
  const writer = new PickleWriter();
  if (wrap === 'model') {
    writer.op(CODE.emptyDict, CODE.mark).data('model');
    writeStateDict(writer, arrays);
    if (average) writeStateDict(writer.data('model_ema'), average, arrays.length);
    writer.data('metadata').data(metadata);
    return writer.op(CODE.setItems).finish();
  }
  writeStateDict(writer, arrays);
  if (Object.keys(metadata).length > 0) writer.data({ metadata }).op(CODE.build);
  return writer.finish();
}

/** @param first number of the first storage. */
function writeStateDict(writer: PickleWriter, arrays: readonly ArrayToWrite[], first = 0): void {
  writer.orderedDict().op(CODE.mark);
  arrays.forEach((array, i) => {
    writer.data(array.name);
    writeTensor(writer, array, String(first + i));
  });
  writer.op(CODE.setItems);
}

// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)
function writeTensor(writer: PickleWriter, { dtype, shape }: ArrayToWrite, key: string): void {
  if (dtype !== 'F32' && dtype !== 'I64') throw new Error(`writeTensor: expected F32 or I64, got ${dtype}`);
  writer.global('torch._utils', '_rebuild_tensor_v2').tuple(() => {
    writer.tuple(() => {
      writer.data('storage').global('torch', STORAGE[dtype]).data(key).data('cpu').data(shapeSize(shape));
    });
    writer.op(CODE.persistent).data(0);
    writer.tuple(() => shape.forEach((side) => writer.data(side)));
    writer.tuple(() => stridesOf(shape).forEach((stride) => writer.data(stride)));
    writer.data(false).orderedDict();
  });
  writer.op(CODE.reduce);
}

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, i) => shapeSize(shape.slice(i + 1)));
}
