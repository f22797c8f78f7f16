import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

/**
 * No test waits for a while or asserts how long something took: what it waits for is an event, and the clock it reads
 * is one that it moves itself. None is left out. Benches measure, and are not looked at.
 */
const ROOT = process.cwd();

/** What takes milliseconds to wait as its argument of that number. */
const SLEEPS: Readonly<Record<string, number>> = { setTimeout: 1, setInterval: 1, waitForTimeout: 0 };
/** Asks again and again, for a second unless it is given how long. */
const POLLS = new Set(['vi.waitFor', 'vi.waitUntil']);
const COMPARISONS = /^toBe(Less|Greater)Than/;
/** Leaves out this test, or all others. */
const CHOICE = /^(describe|it|test|suite)\.(only|skip|fixme)$/;
/** Names of what is read from a clock. */
const CLOCKS = /^(time|now|elapsed|took|duration|milliseconds|seconds)$/;

function offencesOf(path: string, text = readFileSync(path, 'utf8')): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const sleepers = new Map(Object.entries(SLEEPS));
  const look = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && textOf(node.moduleSpecifier) === 'node:timers/promises')
      for (const { name } of namesOf(node)) sleepers.set(name.text, 0);
    if (ts.isCallExpression(node)) {
      const why = faultOf(node, sleepers);
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      if (why) found.push(`${relative(ROOT, path)}:${line + 1} ${why}`);
    }
    ts.forEachChild(node, look);
  };
  look(source);
  return found;
}

function faultOf(call: ts.CallExpression, sleepers: ReadonlyMap<string, number>): string | null {
  const called = call.expression.getText();
  const name = ts.isPropertyAccessExpression(call.expression) ? call.expression.name.text : called;
  const delay = sleepers.get(name);
  if (delay !== undefined && call.arguments.length > delay) return 'waits for a while';
  if (called === 'performance.now') return 'reads the clock';
  if (CHOICE.test(called)) return 'leaves out tests';
  if (POLLS.has(called) && !call.arguments[1]?.getText().includes('NEVER')) return 'gives up after a while';
  return COMPARISONS.test(name) && isOfClock(call) ? 'asserts how long something took' : null;
}

/** Whether a comparison with anything but 0 has a time on either side. */
function isOfClock({ expression, arguments: [bound] }: ts.CallExpression): boolean {
  if (!bound || bound.getText() === '0') return false;
  const inner = ts.isPropertyAccessExpression(expression) ? expression.expression : null;
  const given = inner && ts.isCallExpression(inner) ? inner.arguments[0] : undefined;
  return [given, bound].some((side) => side !== undefined && (isClock(side) || differenceOfClocks(side)));
}

function isClock(node: ts.Expression): boolean {
  if (ts.isPropertyAccessExpression(node)) return CLOCKS.test(node.name.text);
  return ts.isIdentifier(node) && CLOCKS.test(node.text);
}

/** Whether the present is measured from anything that is no number in the source. */
function differenceOfClocks(node: ts.Node): boolean {
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.MinusToken)
    return node.left.getText() === 'Date.now()' && !ts.isNumericLiteral(node.right);
  return ts.forEachChild(node, differenceOfClocks) ?? false;
}

function namesOf({ importClause }: ts.ImportDeclaration): readonly ts.ImportSpecifier[] {
  const bindings = importClause?.namedBindings;
  return bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
}

const textOf = (node: ts.Node): string => (ts.isStringLiteral(node) ? node.text : '');

function testSources(): string[] {
  const entries = readdirSync(join(ROOT, 'tests'), { recursive: true, withFileTypes: true });
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name)).filter((path) => path.endsWith('.ts'));
  return paths.filter((path) => !path.startsWith(join(ROOT, 'tests', 'bench')));
}

test('no test waits for a while or asserts a time', () => {
  const paths = testSources();
  expect(paths.length).toBeGreaterThan(100);
  expect(paths.flatMap((path) => offencesOf(path))).toEqual([]);
});

test.each([
  ["import { setTimeout as wait } from 'node:timers/promises'; await wait(5);", 'waits for a while'],
  ['await new Promise((resolve) => setTimeout(resolve, 20));', 'waits for a while'],
  ['await page.waitForTimeout(pause);', 'waits for a while'],
  ['const started = performance.now();', 'reads the clock'],
  ["test.only('this', () => undefined);", 'leaves out tests'],
  ["describe.skip('that', () => undefined);", 'leaves out tests'],
  ['await vi.waitFor(() => expect(1).toBe(1));', 'gives up after a while'],
  ['expect(Date.now() - started).toBeLessThan(50);', 'asserts how long something took'],
  ['expect(row.time).toBeGreaterThan(before + 4);', 'asserts how long something took'],
])('%s is found', (text, why) => {
  expect(offencesOf('one.ts', text)).toEqual([expect.stringMatching(new RegExp(`:1 ${why}$`))]);
});

test.each([
  'setTimeout(next);',
  'vi.waitFor(check, { timeout: NEVER });',
  'expect(seconds).toBeGreaterThan(0);',
  'expect(count).toBeLessThan(5);',
])('%s is good', (text) => expect(offencesOf('one.ts', text)).toEqual([]));
