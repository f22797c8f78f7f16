import { expect, it } from 'vitest';
import { readXSpace } from '../../../src-main/formats/xspace.ts';

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const message = (field: number, ...parts: number[][]): number[] => {
  const bytes = parts.flat();
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
};
const text = (field: number, value: string): number[] => message(field, [...new TextEncoder().encode(value)]);
const named = (field: number, id: number, name: string, shown = ''): number[] =>
  message(field, number(1, id), message(2, number(1, id), text(2, name), text(4, shown)));
/** Of metadata `id`; start and duration in microseconds. */
const event = (id: number, start: number, duration: number, ...stats: number[][]): number[] =>
  message(4, number(1, id), number(2, start * 1e6), number(3, duration * 1e6), ...stats);

const PLANE = message(
  1,
  text(2, '/host:CPU'),
  named(4, 1, 'n7:MatMul', 'MatMul'),
  named(4, 2, 'ExecutorState::Process'),
  named(4, 3, 'add_fusion.12'),
  named(4, 4, 'n1:_Arg', '_Arg'),
  named(5, 1, 'shape'),
  named(5, 2, '(;float[8,5];int32[1])'),
  named(5, 3, 'hlo_op'),
  message(
    3,
    text(2, 'thread'),
    number(3, 5000),
    event(3, 20, 30, message(4, number(1, 3), text(5, 'add_fusion'))),
    event(1, 10, 100, message(4, number(1, 1), number(7, 2))),
    event(2, 0, 500),
    event(4, 1, 1),
  ),
  message(3, text(2, 'idle'), event(2, 0, 500)),
);

it('reads the ops of each thread, with their own times', () => {
  expect(readXSpace(Uint8Array.from(PLANE))).toEqual([
    {
      name: 'thread',
      events: [
        { op: 'MatMul', name: 'n7', shapes: 'float[8,5];int32[1]', start: 15, duration: 100, self: 70 },
        { op: 'add_fusion', name: 'add_fusion.12', shapes: '', start: 25, duration: 30, self: 30 },
      ],
    },
  ]);
});

it('refuses what is cut off, wherever it is', () => {
  expect(readXSpace(new Uint8Array(0))).toEqual([]);
  for (let length = 1; length < PLANE.length; length++)
    expect(() => readXSpace(Uint8Array.from(PLANE.slice(0, length)))).toThrow(
      expect.objectContaining({ code: 'internal' }) as Error,
    );
});
