import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readOnnxHeader } from '../../../src-main/formats/onnx-header.ts';
import { readSavedModelHeader } from '../../../src-main/formats/saved-model-header.ts';
import { bytesSource } from '../../../src-main/formats/source.ts';
import { describeInterface } from '../../../src-main/formats/tensor-interface.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { EXPECTED, teacherFixture } from '../../helpers/teachers.ts';
import { pseudoRandom } from '../../helpers/engine.ts';

const ONNX = readFileSync(teacherFixture('plain.onnx'));
const SAVED = readFileSync(teacherFixture('plain-saved/saved_model.pb'));

describe('the head of an ONNX file', () => {
  it('tells inputs without weights, outputs and metadata', () => {
    const { name, inputs, outputs, metadata } = readOnnxHeader(bytesSource(ONNX), 'plain.onnx');
    expect([name, ...inputs.map(describeInterface), ...outputs.map(describeInterface)]).toEqual([
      'plain',
      'images float32 [?, 3, 24, 24]',
      'logits float32 [?, 4]',
    ]);
    expect(JSON.parse(metadata.classes)).toEqual(EXPECTED.classes);
  });
});

describe('the head of a SavedModel', () => {
  it('tells signatures, and what can run for one', () => {
    const { signatures, opsOf } = readSavedModelHeader(bytesSource(SAVED), 'plain-saved');
    const served = signatures.get('serving_default')!;
    expect([...signatures.keys()]).toEqual(['serving_default']);
    expect([...served.inputs, ...served.outputs].map(describeInterface)).toEqual([
      'images float32 [?, 24, 24, 3]',
      'logits float32 [?, 4]',
    ]);
    const ops = opsOf(served);
    // Inside a function that a function calls; the graph saves too, but neither when loaded nor when asked.
    expect(ops).toContain('Conv2D');
    expect(ops).toContain('RestoreV2');
    expect(SAVED.includes('SaveV2')).toBe(true);
    expect(ops).not.toContain('SaveV2');
  });

  it('tells a file operation that hides in a function', () => {
    const writing = readFileSync(teacherFixture('writing-saved/saved_model.pb'));
    const { signatures, opsOf } = readSavedModelHeader(bytesSource(writing), 'writing-saved');
    expect(opsOf(signatures.get('serving_default')!)).toContain('WriteFile');
  });
});

describe('damaged files', () => {
  const varint = (...bytes: number[]) => Uint8Array.from(bytes);

  it.each([
    ['nothing', varint(), /it is not an ONNX model/],
    ['a length beyond the end', varint(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f), /cut off/],
    ['a length of 2^63', varint(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), /cut off/],
    ['a negative length', varint(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), /cut off/],
    ['a number without an end', new Uint8Array(20).fill(0xff), /does not end/],
    ['a field of no type', varint(0x3b), /no known type/],
    ['a field zero', varint(0x02, 0x00), /no number/],
    ['a number for a graph', varint(0x38, 0x01), /a number stands/],
  ])('are told of: %s', (_, bytes, says) => {
    expect(() => readOnnxHeader(bytesSource(bytes), 'x.onnx')).toThrow(says);
  });

  it('give a typed error in no time, however they are damaged', () => {
    const draws = pseudoRandom(4000, 11);
    let [at, failures] = [0, 0];
    const below = (most: number): number => Math.floor(((draws[at++ % draws.length] + 1) / 2) * most);
    for (let round = 0; round < 600; round++) {
      const isOnnx = round % 2 === 0;
      const bytes = Uint8Array.from(isOnnx ? ONNX : SAVED);
      for (let change = 0; change < 1 + (round % 4); change++) bytes[below(bytes.length)] = below(256);
      const source = bytesSource(round % 5 === 0 ? bytes.subarray(0, below(bytes.length)) : bytes);
      try {
        if (isOnnx) readOnnxHeader(source, 'x');
        else {
          const { signatures, opsOf } = readSavedModelHeader(source, 'x');
          for (const signature of signatures.values()) opsOf(signature);
        }
      } catch (error) {
        failures++;
        expect(error).toBeInstanceOf(StillhouseError);
        expect((error as StillhouseError).code).toBe('teacher.format');
      }
    }
    expect(failures).toBeGreaterThan(50);
  });
});
