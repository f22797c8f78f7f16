import * as tf from '@tensorflow/tfjs-core';
import type { State } from '../../engines/engine.ts';
import type { Model, Params } from '../../model/model.ts';
import { tokenCosines } from '../../model/token-cosine.ts';
import type { EvalBatch } from '../../train/evaluate.ts';
import { normaliseImages } from '../../train/teacher.ts';
import { PREFIX } from '../../train/variables.ts';

/** Averages the cosine of class and distillation token over the images of an evaluation, op by op. */
export class TokenMeter {
  private readonly params: Params;
  private sums: number[] = [];
  private count = 0;

  /** @param student whose parameters are in the state. */
  constructor(
    private readonly student: Model,
    state: State,
  ) {
    this.params = Object.fromEntries(
      student.specs.map(({ name, shape }) => [name, tf.tensor(state.read(PREFIX.model + name), [...shape])]),
    );
  }

  /** Adds the images of a batch. */
  add({ images, labels }: Pick<EvalBatch, 'images' | 'labels'>): void {
    const count = labels.length;
    const { inputSize: side, inputWidth: width = side } = this.student;
    const cosines = tf.tidy(() => {
      const pixels = tf.tensor4d(Float32Array.from(images), [count, side, width, 3]);
      const normal = normaliseImages(pixels, this.student);
      return tf.sum(tokenCosines(this.student, this.params, normal), 1).dataSync();
    });
    this.sums = Array.from(cosines, (sum, place) => sum + (this.sums[place] ?? 0));
    this.count += count;
  }

  /** Returns the mean at each place, and gives the parameters back. */
  means(): number[] {
    tf.dispose(this.params);
    return this.sums.map((sum) => sum / this.count);
  }
}
