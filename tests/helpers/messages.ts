import * as v from 'valibot';
import { defaultRecipe } from '../../src-main/protocol/recipe.ts';
import { STEP_FIELDS } from '../../src-main/protocol/step-columns.ts';
import { CARD_FIELDS } from '../../src-main/protocol/teacher-card.ts';

/** Messages that fit a schema, made from the schema itself, and what becomes of them in hostile hands. */

type Draw = (below: number) => number;

/** What is read of a schema to make an example. */
interface Shape {
  kind: 'schema' | 'validation' | 'transformation' | 'metadata';
  type: string;
  message?: unknown;
  pipe?: Shape[];
  entries?: Record<string, Shape>;
  wrapped?: Shape;
  options?: readonly unknown[];
  item?: Shape;
  items?: Shape[];
  value?: Shape;
  literal?: unknown;
}

/** Texts of which one fits each pattern. */
const TEXTS = ['a', 'cpu', 'QUJD', '/a/b'];

/** Numbers of which one lies within each pair of bounds. */
const NUMBERS = [1, 32];

/** Examples of shapes that are looked at as a whole, by what they are called. */
const WHOLE: Record<string, unknown> = {
  'a number': 1,
  numbers: [1, 2],
  texts: ['a', 'b'],
  'a recipe': defaultRecipe(),
  settings: { epochs: 3 },
  'a setting': 'epochs',
  'a code': 'internal',
  'a job': { kind: 'verify-engine', engine: '/nowhere' },
  bytes: new Uint8Array([1, 2, 3]),
  columns: Object.fromEntries(
    Object.entries(STEP_FIELDS).map(([name, size]) => [name, 'A'.repeat(size === 4 ? 8 : 12)]),
  ),
  sources: Object.fromEntries(Object.keys(CARD_FIELDS).map((name) => [name, 'file'])),
};

/** A value that fits a schema; `pick` chooses among variants. @throws for a schema that this cannot make one of. */
export function exampleOf(schema: v.GenericSchema, pick = 0): unknown {
  const example = make(schema, pick);
  if (!v.is(schema, example))
    throw new Error(`no example of ${schema.type}: ${JSON.stringify(example)?.slice(0, 200)}`);
  return example;
}

function make(shape: Shape, pick: number): unknown {
  const later = shape.pipe?.filter(({ kind }) => kind === 'schema').at(-1);
  if (later && later !== shape.pipe![0]) return make(later, pick);
  switch (shape.type) {
    case 'string':
      return TEXTS.find((text) => v.is(shape as unknown as v.GenericSchema, text));
    case 'number':
      return NUMBERS.find((number) => v.is(shape as unknown as v.GenericSchema, number));
    case 'boolean':
      return true;
    case 'literal':
      return shape.literal;
    case 'picklist':
      return shape.options![pick % shape.options!.length];
    case 'object':
    case 'strict_object':
    case 'loose_object':
      return Object.fromEntries(Object.entries(shape.entries!).map(([key, one]) => [key, make(one, pick)]));
    case 'array':
      return shape.item!.type === 'variant'
        ? shape.item!.options!.map((one) => make(one as Shape, pick))
        : [make(shape.item!, pick)];
    case 'tuple':
      return shape.items!.map((one) => make(one, pick));
    case 'record':
      return { model: make(shape.value!, pick) };
    case 'union':
    case 'variant':
      return make(shape.options![pick % shape.options!.length] as Shape, pick);
    case 'optional':
      return make(shape.wrapped!, pick);
    case 'nullable':
      return pick % 3 === 2 ? null : make(shape.wrapped!, pick);
    case 'null':
      return null;
    case 'custom':
      return WHOLE[String(shape.message)];
    default:
      return shape.type === 'unknown' ? 'anything' : undefined;
  }
}

/** A value in so many others. Node itself reads between 1,900 and 2,400 levels; it drops what is deeper, or ends. */
function nested(levels: number): unknown {
  let value: unknown = 'deep';
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { a: value };
  return value;
}

/** An object with `__proto__` as a key of its own, as JSON makes it. */
const PROTOTYPE = (): unknown =>
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}');

const HOSTILE: ((draw: Draw) => unknown)[] = [
  () => null,
  () => undefined,
  () => true,
  () => NaN,
  () => -0,
  () => Infinity,
  () => -1,
  () => 1.5,
  () => 2 ** 53,
  () => '',
  () => '\u0000',
  () => '__proto__',
  () => 'toString',
  () => '../../../etc/passwd',
  (draw) => 'x'.repeat(draw(100_000)),
  () => [],
  () => ({}),
  (draw) => nested(draw(1000)),
  (draw) => Array.from({ length: draw(20_000) }, (_, index) => index),
  (draw) => new Uint8Array(draw(1000)),
  () => new Date(0),
  PROTOTYPE,
];

/** A copy of a message with one to three things changed: a value, a key too many or too few, or all of it. */
export function mutate(message: unknown, draw: Draw): unknown {
  let changed = structuredClone(message);
  for (let left = 1 + draw(3); left > 0; left--) changed = change(changed, draw, 0);
  return changed;
}

function change(value: unknown, draw: Draw, level: number): unknown {
  const hostile = (): unknown => HOSTILE[draw(HOSTILE.length)](draw);
  const whole = value instanceof Uint8Array || value instanceof Date;
  if (value === null || typeof value !== 'object' || whole || draw(level ? 12 : 60) === 0 || level > 6)
    return hostile();
  if (Array.isArray(value)) {
    const at = draw(value.length + 1);
    if (at === value.length) value.push(hostile());
    else value[at] = change(value[at], draw, level + 1);
    return value;
  }
  const object = value as Record<string, unknown>;
  const keys = Object.keys(object);
  const key = keys[draw(keys.length)];
  const way = draw(6);
  if (way === 0 || key === undefined)
    define(object, ['extra', '__proto__', 'constructor', 'id', 'event'][draw(5)], hostile());
  else if (way === 1) delete object[key];
  else object[key] = change(object[key], draw, level + 1);
  return object;
}

/** Sets a key, even `__proto__`, as JSON would. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}
