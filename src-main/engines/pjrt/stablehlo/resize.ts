import type { Lowerings, Site } from './lowering.ts';
import type { Value } from './text.ts';

/** A resampling kernel: its radius and its value at a distance ≥ 0. */
interface Kernel {
  radius: number;
  at(distance: number): number;
}

const KERNELS: Record<string, Kernel> = {
  triangle: { radius: 1, at: (x) => Math.max(0, 1 - x) },
  keyscubic: {
    radius: 2,
    at: (x) => (x >= 2 ? 0 : x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : (1.5 * x - 2.5) * x * x + 1),
  },
};

interface Sampling {
  kernel: Kernel;
  antialias: boolean;
  scale: number;
  translate: number;
}

/** How much of each number of a line of `from` each number of one of `to` is: [to, from], as TensorFlow computes it. */
function shares(to: number, from: number, { kernel, antialias, scale, translate }: Sampling): Float32Array {
  const inverse = 1 / scale;
  const width = antialias ? Math.max(inverse, 1) : 1;
  const all = new Float32Array(to * from);
  for (let x = 0; x < to; x++) {
    const centre = (x + 0.5) * inverse - inverse * translate;
    if (centre < 0 || centre > from) continue;
    const within = (place: number) => Math.min(from - 1, Math.max(0, place));
    const first = within(Math.ceil(centre - kernel.radius * width - 0.5));
    const last = within(Math.floor(centre + kernel.radius * width - 0.5));
    const places = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    const weights = places.map((place) => kernel.at(Math.abs(place + 0.5 - centre) / width));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    places.forEach((place, index) => (all[x * from + place] = weights[index] / sum));
  }
  return all;
}

/** Resizing as two products, one for the rows and one for the columns of [B, H, W, C]. */
function resize({ writer, outputs: [{ shape }], numbers, attr, is }: Site, images: Value): Value {
  const kernel = KERNELS[String(attr('kernel_type'))];
  const [scales, translates] = [numbers(2), numbers(3)];
  if (!kernel) throw new RangeError(`ScaleAndTranslate: kernel ${String(attr('kernel_type'))}`);
  const along = (x: Value, axis: 1 | 2): Value => {
    const sampling = { kernel, antialias: is('antialias'), scale: scales[axis - 1], translate: translates[axis - 1] };
    const [to, from] = [shape[axis], x.shape[axis]];
    const matrix = writer.values(shares(to, from, sampling), { shape: [to, from], dtype: 'float32' });
    // [to, …the other axes]
    const rest = x.shape.filter((_, at) => at !== axis);
    const how = `, contracting_dims = [1] x [${axis}], precision = [HIGHEST, HIGHEST]`;
    const product = writer.op('stablehlo.dot_general', [matrix, x], { shape: [to, ...rest], dtype: 'float32' }, how);
    return writer.transpose(product, axis === 1 ? [1, 0, 2, 3] : [1, 2, 0, 3]);
  };
  return along(along(images, 1), 2);
}

export const RESIZE: Lowerings = { ScaleAndTranslate: resize };
