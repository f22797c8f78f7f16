import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { ArrayToWrite, NamedArray } from '../../formats/named-array.ts';
import { readSafetensors, safetensorsBytes, writeSafetensors } from '../../formats/safetensors.ts';
import type { Model } from '../../model/model.ts';
import { fitWeights } from '../../model/weights.ts';
import { createModel } from '../../model/zoo.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { writeChunksAtomic } from '../../base/files.ts';
import { reason, type ReasonValue } from '../../protocol/reasons.ts';
import { openFile } from '../../runs/file-source.ts';
import type { Values } from '../../runtime/dtypes.ts';
import type { Engine } from '../../engines/engine.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import type { Program } from '../../trace/program.ts';
import { record } from '../../trace/recorder.ts';
import type { State } from '../../engines/engine.ts';
import { fuse } from '../../train/metrics.ts';
import { PREFIX } from '../../train/variables.ts';
import type { ForwardJob, JobResults } from '../../jobs/job-protocol.ts';
import { setParams } from '../training/train-state.ts';
import { readClassNames } from '../../weights/class-names.ts';
import { contradiction } from '../../weights/network.ts';
import { headClasses, requireClasses, withWeights, type Weights } from '../../weights/weights.ts';

/**
 * Computes the logits of a batch that is already prepared, to compare networks number by number. Letters: B images, H ×
 * W pixels, K classes.
 * @throws StillhouseError `file.missing`, `weights.*`, `argument.invalid` for an input of another shape, `disk.*`.
 */
export async function runForwardJob(job: ForwardJob): Promise<JobResults['forward']> {
  const input = readInput(job.input);
  const given = job.classNames ? readClassNames(job.classNames) : null;
  const engine = await openEngine(job);
  const state = engine.newState();
  try {
    const take = (weights: Weights) => {
      const model = createModel(job.model, {
        classes: headClasses(weights),
        inputSize: input.height,
        inputWidth: input.width,
      });
      const { params } = fitWeights(model, weights.tensors, { path: weights.path, newHead: false });
      setParams(state, PREFIX.model, model.specs, params);
      const names = given ?? weights.classes;
      const classes = names && requireClasses(weights, names);
      return { model, classes, notes: [...weights.notes, ...contradiction(weights, job.model)] };
    };
    const { model, classes, notes } = await withWeights(job.weights, take, job);
    const arrays = await logitsOf(engine, state, model, input);
    const texts: Record<string, string> = classes ? { classes: JSON.stringify(classes) } : {};
    await writeChunksAtomic(job.output, writeSafetensors(arrays, texts), safetensorsBytes(arrays, texts));
    return { output: job.output, shape: [...arrays[0].shape], notes };
  } finally {
    state.dispose();
  }
}

/** Normalised images [B, H, W, 3], row-major. */
interface Input {
  count: number;
  height: number;
  width: number;
  images: Float32Array;
}

function readInput(path: string): Input {
  const source = openFile(path);
  try {
    const { tensors } = readSafetensors(source, path);
    const only = tensors.size === 1 ? [...tensors.values()][0] : undefined;
    const array = tensors.get('images') ?? tensors.get('pictures') ?? only;
    if (!array) throw misfit(reason('value.images-tensor', { path }), [...tensors.keys()].join(', '));
    return toChannelsLast(array);
  } finally {
    source.close();
  }
}

/** [B, 3, H, W] → [B, H, W, 3]. */
function toChannelsLast(array: NamedArray): Input {
  const [count, channels, height, width] = array.shape;
  if (array.shape.length !== 4 || channels !== 3 || count < 1)
    throw misfit(reason('value.images-shape'), `[${array.shape.join(', ')}]`);
  const [values, area] = [array.toFloat32(), height * width];
  const images = new Float32Array(values.length);
  for (let image = 0; image < count; image++)
    for (let channel = 0; channel < 3; channel++)
      for (let at = 0; at < area; at++)
        images[(image * area + at) * 3 + channel] = values[(image * 3 + channel) * area + at];
  return { count, height, width, images };
}

function misfit(expected: ReasonValue, got: string): StillhouseError {
  return new StillhouseError('argument.invalid', { name: 'input', expected, got });
}

/** `logits`: what the network answers in evaluation, both heads fused; of a distilled one each head apart as well. */
async function logitsOf(engine: Engine, state: State, model: Model, input: Input): Promise<ArrayToWrite[]> {
  const forward = await engine.compile(recordForward(engine, model, input), state, { exact: true });
  try {
    const { head, headDist } = await forward.run({ images: input.images });
    const shape = [input.count, model.classes];
    const array = (name: string, values: Values): ArrayToWrite => {
      return { name, shape, dtype: 'F32', values: values as Float32Array };
    };
    if (!headDist) return [array('logits', head)];
    const fused = fuse(head as Float32Array, headDist as Float32Array);
    return [array('logits', fused), array('head', head), array('head_dist', headDist)];
  } finally {
    forward.dispose();
  }
}

function recordForward(engine: Engine, model: Model, { count, height, width }: Input): Program {
  const float = 'float32' as const;
  const images = { shape: [count, height, width, 3], dtype: float };
  const variables = model.specs.map(({ name, shape }) => [PREFIX.model + name, { shape, dtype: float }] as const);
  return record(engine, { images }, Object.fromEntries(variables), (inputs, tensors) => {
    const params = model.specs.map(({ name }) => [name, tensors[PREFIX.model + name]] as const);
    const { head, headDist } = model.predict(Object.fromEntries(params), inputs.images as Tensor4D);
    return { outputs: { head, ...(headDist && { headDist }) }, assigns: {} };
  });
}
