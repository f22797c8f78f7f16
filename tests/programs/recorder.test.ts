import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src-main/engines/engine.ts';
import { compile } from '../../src-main/engines/tensorflow/compile.ts';
import { castTo } from '../../src-main/trace/ops.ts';
import { hash, print } from '../../src-main/trace/print.ts';
import { record, type Recorded } from '../../src-main/trace/recorder.ts';
import { testEngine } from '../helpers/engine.ts';

const float = (...shape: number[]) => ({ shape, dtype: 'float32' as const });

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

/** One step of gradient descent on (w·x)² with a rate that is an input. */
function descent({ x, lr }: Record<string, tf.Tensor>, { w }: Record<string, tf.Tensor>): Recorded {
  const { value, grad } = tf.valueAndGrad((w) => tf.sum(tf.square(tf.matMul(w as tf.Tensor2D, x as tf.Tensor2D))))(w);
  return { outputs: { loss: value }, assigns: { w: tf.sub(w, tf.mul(lr, grad)) } };
}

describe('record', () => {
  test('writes forward and backward down as one readable program', () => {
    const program = record(engine, { x: float(2, 1), lr: float() }, { w: float(1, 2) }, descent);
    expect(print(program)).toMatchInlineSnapshot(`
      "%0:f32[2,1] = Input x
      %1:f32[] = Input lr
      %2:f32[1,2] = Variable w
      %3:f32[1,1] = BatchMatMulV2(%2, %0) adj_x=false adj_y=false
      %4:f32[1,1] = Square(%3)
      %5:i32[2] = Constant [0,1]
      %6:f32[] = Sum(%4, %5) keep_dims=false
      %7:f32[] = Constant 1
      %8:i32[2] = Constant [1,1]
      %9:f32[1,1] = Reshape(%7, %8)
      %10:f32[1,1] = Constant [1]
      %11:f32[1,1] = Mul(%9, %10)
      %12:f32[1,1] = Cast(%3) SrcT=float32 DstT=float32 Truncate=false
      %13:f32[] = Constant 2
      %14:f32[1,1] = Mul(%12, %13)
      %15:f32[1,1] = Mul(%11, %14)
      %16:f32[1,2] = BatchMatMulV2(%15, %0) adj_x=false adj_y=true
      %17:f32[1,2] = Mul(%1, %16)
      %18:f32[1,2] = Sub(%2, %17)
      return loss = %6
      assign w = %18"
    `);
  });

  test('gives equal programs for equal bodies, and hashes tell constants apart', () => {
    const scaled = (factor: number) =>
      record(engine, { x: float(3) }, {}, ({ x }) => ({ outputs: { y: tf.mul(x, factor) }, assigns: {} }));
    expect(hash(scaled(2))).toBe(hash(scaled(2)));
    expect(hash(scaled(2))).not.toBe(hash(scaled(3)));
  });

  test('refuses to read a recorded value', () => {
    const body = ({ x }: Record<string, tf.Tensor>) => ({ outputs: { y: tf.scalar(x.dataSync()[0]) }, assigns: {} });
    expect(() => record(engine, { x: float(1) }, {}, body)).toThrow('was read');
  });

  test('refuses a tensor made before the recording', () => {
    const outside = tf.tidy(() => tf.keep(tf.add(tf.scalar(1), 1)));
    const body = ({ x }: Record<string, tf.Tensor>) => ({ outputs: { y: tf.mul(x, outside) }, assigns: {} });
    expect(() => record(engine, { x: float(1) }, {}, body)).toThrow('before the recording');
    outside.dispose();
  });

  test('after a failed recording ops run eagerly again', () => {
    expect(() => record(engine, {}, {}, () => { throw new Error('body'); })).toThrow('body'); // prettier-ignore
    expect(tf.tidy(() => tf.add(2, 3).dataSync()[0])).toBe(5);
  });
});

describe('compile', () => {
  test('runs a program as one call that updates its state', async () => {
    const state = engine.newState();
    state.set('w', [1, 2], Float32Array.of(1, 2));
    const program = record(engine, { x: float(2, 1), lr: float() }, { w: float(1, 2) }, descent);
    const compiled = compile(engine.tensorflow, program, state);
    const { loss } = await compiled.run({ x: Float32Array.of(3, 4), lr: Float32Array.of(0.01) });
    expect(loss[0]).toBeCloseTo(121, 4);
    expect(Array.from(state.read('w'))).toEqual([expect.closeTo(0.34, 5), expect.closeTo(1.12, 5)]);
    compiled.dispose();
    state.dispose();
  });

  test('takes bytes as they are', async () => {
    const state = engine.newState();
    const spec = { shape: [3], dtype: 'uint8' as const };
    const program = record(engine, { x: spec }, {}, ({ x }) => ({
      outputs: { y: tf.div(castTo(x, 'uint8', 'float32'), 255) },
      assigns: {},
    }));
    const compiled = compile(engine.tensorflow, program, state);
    const { y } = await compiled.run({ x: Uint8Array.of(0, 51, 255) });
    expect(Array.from(y as Float32Array)).toEqual([0, expect.closeTo(0.2), 1]);
    compiled.dispose();
  });

  test('names a missing input', async () => {
    const program = record(engine, { x: float(1) }, {}, ({ x }) => ({ outputs: { y: tf.neg(x) }, assigns: {} }));
    const compiled = compile(engine.tensorflow, program, engine.newState());
    await expect(compiled.run({})).rejects.toThrow('the input x is missing');
    compiled.dispose();
  });
});
