import { expect, test } from 'vitest';
import { raiseFrozen, splitFrozen } from '../../../src-main/trace/freeze.ts';
import { variablesOf, type Program, type ValueRef } from '../../../src-main/trace/program.ts';
import { Hand, ops } from './programs.ts';

const isFrozen = (name: string) => name.startsWith('teacher.');
const variable = (hand: Hand, name: string): ValueRef => hand.add('Variable', [], [2], { name });

/** x + exp(w) */
function body(): Program {
  const hand = new Hand();
  const [x, w] = [hand.input('x', [2]), hand.input('w', [2])];
  return hand.program(hand.add('AddV2', [x, hand.add('Exp', [w], [2])], [2]));
}

/** Two calls of one body with `name` as its w. */
function calling(name: string): Program {
  const hand = new Hand();
  const [x, w] = [hand.input('x', [2]), variable(hand, name)];
  const one = body();
  const call = (given: ValueRef) => hand.add('Call', [given, w], [2], { body: one });
  return hand.program(call(call(x)));
}

test('what follows from frozen variables alone is computed once, the rest in each run', () => {
  const hand = new Hand();
  const [x, w, student] = [hand.input('x', [2]), variable(hand, 'teacher.w'), variable(hand, 'model.w')];
  const kernel = hand.add('Square', [hand.add('Exp', [w], [2])], [2]);
  const program = hand.program(
    hand.add('Mul', [hand.add('Mul', [kernel, x], [2]), hand.add('Exp', [student], [2])], [2]),
  );
  const split = splitFrozen(program, isFrozen);
  expect(ops(split.program)).toEqual(['Mul', 'Exp', 'Mul']);
  const [{ variable: name, value }] = split.prepare.assigns;
  expect(variablesOf(split.program).map(({ name }) => name)).toEqual(expect.arrayContaining([name, 'model.w']));
  expect(split.prepare.nodes[value.node].op).toBe('Square');
  expect(split.prepare.nodes.some(({ op }) => op === 'Input')).toBe(false);
});

test('it is moved out of the bodies of calls, which share it', () => {
  const raised = raiseFrozen(calling('teacher.w'), isFrozen);
  expect(ops(raised)).toEqual(['Exp', 'Call', 'Call']);
  const [first, second] = raised.nodes.filter(({ op }) => op === 'Call');
  expect(first.body).toBe(second.body);
  expect(ops(first.body!)).toEqual(['AddV2']);
  expect(first.inputs[1]).toEqual(second.inputs[1]);
});

test('bodies with other variables stay apart, and those without any frozen one stay as they are', () => {
  const nameIn = (program: Program) =>
    program.nodes.find(({ op }) => op === 'Call')!.body!.nodes.filter(({ op }) => op === 'Input')[1].name;
  const names = ['teacher.a', 'teacher.b', 'teacher.a'].map((name) => nameIn(raiseFrozen(calling(name), isFrozen)));
  expect(names[0]).toBe(names[2]);
  expect(names[0]).not.toBe(names[1]);
  expect(ops(raiseFrozen(calling('model.w'), isFrozen).nodes.find(({ op }) => op === 'Call')!.body!)).toEqual(['Exp', 'AddV2']); // prettier-ignore
});
