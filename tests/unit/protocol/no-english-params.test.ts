import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

/**
 * What an error or a reason is given as a parameter is shown in the language of the window, so it is a name, a number
 * or a code and no English of the place that throws. The command line speaks English alone.
 */
const root = fileURLToPath(new URL('../../../src-main/', import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !/^(setup|shells)\//.test(file) && !/^protocol\/(errors|reasons)\.ts$/.test(file),
);

/** Three English words in a row. A list of names, a flag or a shape is none. */
const SENTENCE = /(?<![\w./='"-])[A-Za-z]+[,:;]? (?:[a-z]+[,:;]? )+[a-z]{2,}(?![\w./='(-])/;
/** The words of an error of ours in the program: they begin with the name of the function. */
const OURS = /^[\w.§]+: /;

/** Literals of an expression as text, `§` for what is filled in. */
function texts(node: ts.Node): { text: string; node: ts.Node }[] {
  if (ts.isStringLiteralLike(node)) return [{ text: node.text, node }];
  if (ts.isTemplateExpression(node)) {
    const text = [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('§');
    return [{ text, node }, ...node.templateSpans.flatMap(({ expression }) => texts(expression))];
  }
  const found: { text: string; node: ts.Node }[] = [];
  ts.forEachChild(node, (child) => void found.push(...texts(child)));
  return found;
}

/** An expression with the constants of its file that it names. */
function resolved(node: ts.Node, constants: ReadonlyMap<string, ts.Node>): ts.Node[] {
  const found: ts.Node[] = [node];
  const visit = (inner: ts.Node): void => {
    const constant = ts.isIdentifier(inner) ? constants.get(inner.text) : undefined;
    if (constant && !found.includes(constant)) found.push(constant);
    ts.forEachChild(inner, visit);
  };
  visit(node);
  return found;
}

function constantsOf(source: ts.SourceFile): Map<string, ts.Node> {
  const constants = new Map<string, ts.Node>();
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer)
      if (!ts.isArrowFunction(node.initializer)) constants.set(node.name.text, node.initializer);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return constants;
}

/** Parameters of what is thrown or told by code: the values of objects that go to an error, a reason or a note. */
const TAKES_PARAMS = /^(StillhouseError|reason|ReasonError|fail|failed|wrong|bad\w*|refuse\w*|note|warn|problem)$/;
const PARAMS = ['reason', 'expected', 'got', 'difference', 'detail', 'what', 'why', 'hint', 'words'];

function faultsOf(file: string, text: string): string[] {
  if (!/Error|[rR]eason|note|warn|problem/.test(text)) return [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const constants = constantsOf(source);
  const faults = new Set<string>();
  const tell = (node: ts.Node, is: (text: string) => boolean): void => {
    for (const one of resolved(node, constants).flatMap(texts)) {
      const { line } = source.getLineAndCharacterOfPosition(one.node.getStart());
      if (is(one.text)) faults.add(`${file}:${line + 1} ${one.text}`);
    }
  };
  const visit = (node: ts.Node): void => {
    if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && node.arguments) {
      const name = ts.isPropertyAccessExpression(node.expression)
        ? node.expression.name.text
        : node.expression.getText();
      if (TAKES_PARAMS.test(name)) node.arguments.forEach((one) => tell(one, (said) => SENTENCE.test(said)));
      if (/^(Error|RangeError|TypeError)$/.test(name))
        node.arguments.slice(0, 1).forEach((one) => tell(one, (said) => SENTENCE.test(said) && !OURS.test(said)));
    }
    if (ts.isPropertyAssignment(node) && PARAMS.includes(node.name.getText()))
      tell(node.initializer, (said) => SENTENCE.test(said));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...faults];
}

test.each([
  ["throw new StillhouseError('a.b', { reason: 'it is not a file' });", 1],
  ["const why = `${file} holds no class`; throw new StillhouseError('a.b', { reason: why });", 1],
  ["const WHY = { a: 'it is not a file' }; throw new StillhouseError('a.b', { reason: WHY[code] ?? code });", 1],
  ["throw new Error('the archive is damaged');", 1],
  ["throw new Error('decode: the archive is damaged');", 0],
  [
    "throw new StillhouseError('a.b', { reason: reason('file.empty'), expected: 'run, path', got: '--data-path X' });",
    0,
  ],
])('finds English in %s', (text, count) => {
  expect(faultsOf('a.ts', text)).toHaveLength(count);
});

test('no parameter of an error or a reason is an English sentence', () => {
  expect(files.length).toBeGreaterThan(300);
  expect(files.flatMap((file) => faultsOf(file, readFileSync(root + file, 'utf8')))).toEqual([]);
});
