import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/**
 * What each folder may import, in order: a row may name only rows above it. A name ending in ` (types)` allows
 * type-only imports. docs/architecture.md shows the same table to people.
 *
 * To add a folder: "A folder" in docs/adding.md.
 */
interface Row {
  folder: string;
  imports: string[];
  /** Packages and Node modules by name; `node:*` is all of Node. */
  packages: string[];
}

const TFJS = '@tensorflow/tfjs-core';

const TABLE: Row[] = [
  { folder: 'resources', imports: [], packages: [] },
  { folder: 'package.json', imports: [], packages: [] },
  { folder: 'src-main/protocol', imports: ['package.json'], packages: ['valibot'] },
  { folder: 'src-main/base', imports: ['src-main/protocol'], packages: ['koffi', 'node:*'] },
  { folder: 'src-main/formats', imports: ['src-main/protocol', 'src-main/base'], packages: ['node:zlib'] },
  {
    folder: 'src-main/data',
    imports: ['resources', 'src-main/protocol', 'src-main/base', 'src-main/formats'],
    packages: ['csv-parse', 'yauzl', 'node:*'],
  },
  {
    folder: 'src-main/install',
    imports: ['resources', 'src-main/protocol', 'src-main/base'],
    packages: ['@socketregistry/packageurl-js', 'undici', 'yauzl', 'node:*'],
  },
  {
    folder: 'src-main/runtime',
    imports: ['src-main/protocol', 'src-main/base', 'src-main/formats'],
    packages: [TFJS, '@tensorflow/tfjs-node-gpu', 'node:*'],
  },
  {
    folder: 'src-main/trace',
    imports: ['src-main/protocol', 'src-main/base', 'src-main/runtime'],
    packages: [TFJS, 'node:crypto'],
  },
  {
    folder: 'src-main/engines',
    imports: ['src-main/protocol', 'src-main/base', 'src-main/runtime', 'src-main/trace'],
    packages: [],
  },
  {
    folder: 'src-main/model',
    imports: ['src-main/protocol', 'src-main/formats', 'src-main/trace'],
    packages: [TFJS],
  },
  {
    folder: 'src-main/exports',
    imports: [
      ...['protocol', 'base', 'formats'].map((name) => `src-main/${name}`),
      ...['src-main/runtime (types)', 'src-main/trace', 'src-main/model'],
    ],
    packages: [TFJS],
  },
  {
    folder: 'src-main/train',
    imports: [
      'src-main/protocol',
      'src-main/data (types)',
      'src-main/runtime (types)',
      'src-main/trace',
      'src-main/engines (types)',
      'src-main/model',
    ],
    packages: [TFJS],
  },
  {
    folder: 'src-main/runs',
    imports: ['src-main/protocol', 'src-main/formats', 'src-main/base', 'src-main/model', 'src-main/train (types)'],
    packages: ['node:*'],
  },
  {
    folder: 'src-main/answers',
    imports: ['protocol', 'base', 'formats', 'runs'].map((name) => `src-main/${name}`),
    packages: ['node:*'],
  },
  {
    folder: 'src-main/weights',
    imports: ['protocol', 'formats', 'base', 'install', 'model', 'train', 'runs'].map((name) => `src-main/${name}`),
    packages: ['node:*'],
  },
  {
    folder: 'src-main/jobs',
    imports: ['protocol', 'base', 'data', 'install', 'model', 'train', 'runs'].map((name) => `src-main/${name}`),
    packages: ['valibot', 'node:*'],
  },
  {
    folder: 'src-main/job-process',
    imports: [
      ...['protocol', 'formats', 'base', 'data', 'install', 'runtime', 'trace', 'engines', 'model', 'exports'],
      ...['train', 'runs', 'answers', 'weights', 'jobs'],
    ].map((name) => `src-main/${name}`),
    packages: [TFJS, '@tensorflow/tfjs-converter', 'onnxruntime-node', 'valibot', 'node:*'],
  },
  {
    folder: 'src-main/service',
    imports: [
      'resources',
      ...['protocol', 'base', 'data', 'install', 'model', 'train', 'runs', 'answers', 'weights', 'jobs'].map(
        (name) => `src-main/${name}`,
      ),
    ],
    packages: ['valibot', 'yaml', 'node:*'],
  },
  {
    folder: 'src-main/setup',
    imports: [],
    packages: ['@vue/language-core', 'electron-builder', 'node:*', 'typescript', 'vite', 'vue', 'yauzl'],
  },
  {
    folder: 'src-main/shells/electron',
    imports: ['src-main/protocol', 'src-main/runs', 'src-main/service'],
    packages: ['electron', 'node:*'],
  },
  {
    folder: 'src-main/shells/server',
    imports: ['src-main/protocol', 'src-main/service'],
    packages: ['ws', 'node:*'],
  },
  {
    folder: 'src-main/shells/cli',
    imports: [
      'protocol',
      'base',
      'data',
      'install',
      'runs',
      'answers',
      'weights',
      'jobs',
      'service',
      'shells/server',
    ].map((name) => `src-main/${name}`),
    packages: ['node:*'],
  },
  { folder: 'src-renderer/i18n', imports: ['src-main/protocol'], packages: ['vue-i18n'] },
  { folder: 'src-renderer/client', imports: ['src-main/protocol'], packages: ['vue'] },
  { folder: 'src-renderer/history', imports: ['src-main/protocol', 'src-renderer/client (types)'], packages: [] },
  { folder: 'src-renderer/composables', imports: ['src-main/protocol', 'src-renderer/client'], packages: ['vue'] },
  {
    folder: 'src-renderer/stores',
    imports: ['src-main/protocol', 'src-renderer/client', 'src-renderer/history', 'src-renderer/composables'],
    packages: ['pinia', 'vue'],
  },
  {
    folder: 'src-renderer/components',
    imports: [
      'src-main/protocol',
      ...['client', 'history', 'stores'].map((name) => `src-renderer/${name} (types)`),
      'src-renderer/composables',
      'src-renderer/i18n',
    ],
    packages: ['chart.js', 'reka-ui', 'vue', 'vue-i18n'],
  },
  {
    folder: 'src-renderer/views',
    imports: [
      'src-main/protocol',
      ...['history', 'composables', 'stores', 'components', 'i18n'].map((name) => `src-renderer/${name}`),
    ],
    packages: ['vue', 'vue-i18n'],
  },
  {
    folder: 'src-renderer/commands',
    imports: ['src-main/protocol', 'src-renderer/stores', 'src-renderer/components', 'src-renderer/i18n'],
    packages: ['vue', 'vue-i18n'],
  },
  { folder: 'src-renderer/styles', imports: [], packages: [] },
  {
    folder: 'src-renderer',
    imports: ['client', 'stores', 'components', 'views', 'commands', 'i18n', 'styles'].map(
      (name) => `src-renderer/${name}`,
    ),
    packages: ['core-js', 'pinia', 'vue', 'vue-i18n'],
  },
];

interface Import {
  target: string;
  typeOnly: boolean;
}

/** What was found in each text: every test asks for the imports of the same sources. */
const FOUND = new Map<string, Import[]>();

/** Every import of a source text: static, dynamic, `import('…')` types and literal `require`. */
function importsOf(path: string, text: string): Import[] {
  const key = `${path}\n${text}`;
  const known = FOUND.get(key) ?? parsed(path, text);
  FOUND.set(key, known);
  return known;
}

function parsed(path: string, text: string): Import[] {
  const script = path.endsWith('.vue') ? scriptOf(text) : text;
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    const target = targetOf(node);
    if (target !== undefined) found.push({ target: target.replace(/\?.*$/, ''), typeOnly: isTypeOnly(node) });
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, script, ts.ScriptTarget.Latest, true));
  return found;
}

function scriptOf(component: string): string {
  return [...component.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map(([, script]) => script).join('\n');
}

function targetOf(node: ts.Node): string | undefined {
  const literal = (value: ts.Node | undefined) => (value && ts.isStringLiteralLike(value) ? value.text : undefined);
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return literal(node.moduleSpecifier);
  if (ts.isImportTypeNode(node))
    return ts.isLiteralTypeNode(node.argument) ? literal(node.argument.literal) : undefined;
  if (!ts.isCallExpression(node)) return undefined;
  const loads = node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === 'require';
  return loads ? literal(node.arguments[0]) : undefined;
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true;
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  if (!ts.isImportDeclaration(node) || !node.importClause) return false;
  const { importClause } = node;
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = importClause.namedBindings;
  if (importClause.name || !names || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every((element) => element.isTypeOnly);
}

/** The row of a path: the longest folder that holds it; a file right inside `src-renderer` has that row. */
function rowOf(path: string): Row | undefined {
  const fits = TABLE.filter(({ folder }) => path === folder || path.startsWith(`${folder}/`));
  const row = fits.sort((a, b) => b.folder.length - a.folder.length)[0];
  return row?.folder === 'src-renderer' && path.split('/').length > 2 ? undefined : row;
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

/** What is wrong in a tree of sources (path from the root → text), one line each. */
function violations(files: Map<string, string>): string[] {
  const wrong: string[] = [];
  for (const [path, text] of files) {
    const row = rowOf(path);
    if (!row) wrong.push(`${path}: its folder has no row`);
    else for (const found of importsOf(path, text)) wrong.push(...violation(path, row, found));
  }
  return wrong;
}

function violation(path: string, row: Row, { target, typeOnly }: Import): string[] {
  if (!target.startsWith('.')) {
    const all = target.startsWith('node:') && row.packages.includes('node:*');
    const named = row.packages.includes(target.startsWith('node:') ? target : packageOf(target));
    return all || named ? [] : [`${path}: ${row.folder} may not import the package ${target}`];
  }
  const aim = normalize(join(path, '..', target));
  const other = rowOf(aim);
  if (other === row) return [];
  if (!other) return [`${path}: imports ${aim}, whose folder has no row`];
  if (row.imports.includes(other.folder)) return [];
  if (typeOnly && row.imports.includes(`${other.folder} (types)`)) return [];
  return [`${path}: ${row.folder} may not import ${typeOnly ? 'types' : 'values'} of ${other.folder}`];
}

type Graph = Map<string, string[]>;

/** Which file imports which: path → paths, of `files` alone. @param values leaves type-only imports out. */
function importGraph(files: Map<string, string>, values = false): Graph {
  const aims = (path: string, text: string): string[] =>
    importsOf(path, text)
      .filter(({ target, typeOnly }) => target.startsWith('.') && !(values && typeOnly))
      .map(({ target }) => normalize(join(path, '..', target)))
      .filter((aim) => files.has(aim));
  return new Map([...files].map(([path, text]) => [path, aims(path, text)]));
}

/** A way from one of `starts` to a file that `ends` accepts, `a → b → c`; undefined where there is none. */
function wayTo(graph: Graph, starts: readonly string[], ends: (path: string) => boolean): string | undefined {
  const ways = new Map(starts.map((path) => [path, [path]]));
  for (const [path, way] of ways) {
    if (ends(path)) return way.join(' → ');
    for (const next of graph.get(path) ?? []) if (!ways.has(next)) ways.set(next, [...way, next]);
  }
  return undefined;
}

/** Every file that imports itself by way of others, with the shortest such way. */
function circles(files: Map<string, string>): string[] {
  const graph = importGraph(files);
  return [...graph].flatMap(([path, imports]) => {
    const way = wayTo(graph, imports, (other) => other === path);
    return way === undefined ? [] : [`${path} → ${way}`];
  });
}

/** Processes that never load TensorFlow: a crash or a lack of memory in it must not end them. */
const WITHOUT_TENSORFLOW = [
  'src-main/service/service.process.ts',
  'src-main/service/workstation.ts',
  'src-main/shells/cli/cli.ts',
  'src-main/shells/server/serve.ts',
  'src-main/shells/electron/main.ts',
  'src-main/shells/electron/preload.ts',
];

/** The first way from those to the library, to a job's code, or to koffi. */
function wayToTensorFlow(files: Map<string, string>): string | undefined {
  const loads = (path: string): boolean =>
    path === 'src-main/runtime/library.ts' ||
    path.startsWith('src-main/job-process/') ||
    importsOf(path, files.get(path)!).some(({ target, typeOnly }) => target === 'koffi' && !typeOnly);
  return wayTo(importGraph(files, true), WITHOUT_TENSORFLOW, loads);
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function sources(): Map<string, string> {
  const paths = ['src-main', 'src-renderer'].flatMap((top) =>
    readdirSync(join(ROOT, top), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs|js|vue)$/.test(entry.name))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name))),
  );
  return new Map(paths.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]));
}

describe('the table', () => {
  it('names only rows above', () => {
    TABLE.forEach(({ folder, imports }, index) => {
      const above = TABLE.slice(0, index).map((row) => row.folder);
      for (const name of imports) expect(above, `${folder} imports ${name}`).toContain(name.replace(' (types)', ''));
    });
  });

  it('is kept by every source', () => {
    const files = sources();
    expect(files.size).toBeGreaterThan(50);
    expect(violations(files)).toEqual([]);
  });

  it('has no row without a folder', () => {
    const files = [...sources().keys(), 'resources/x', 'package.json', 'src-renderer/styles/main.css'];
    const used = new Set(files.map((path) => rowOf(path)?.folder));
    expect(TABLE.map(({ folder }) => folder).filter((folder) => !used.has(folder))).toEqual([]);
  });

  it('knows one file alone that draws with Chart.js', () => {
    const users = [...sources()].filter(([path, text]) =>
      importsOf(path, text).some(({ target, typeOnly }) => packageOf(target) === 'chart.js' && !typeOnly),
    );
    expect(users.map(([path]) => path)).toHaveLength(1);
  });
});

describe('files', () => {
  it('import each other in no circle, types included', () => expect(circles(sources())).toEqual([]));

  it('of the service, the command line, the server and Electron never load TensorFlow', () => {
    const files = sources();
    for (const path of WITHOUT_TENSORFLOW) expect(files.has(path), path).toBe(true);
    expect(wayToTensorFlow(files)).toBeUndefined();
    // Not for want of a way: the process of a job does reach it.
    const jobs = wayTo(importGraph(files, true), ['src-main/job-process/job.process.ts'], (path) =>
      path.endsWith('runtime/library.ts'),
    );
    expect(jobs).toBeDefined();
  });
});

describe('the check of circles', () => {
  it('finds a circle of types by way of a third file', () => {
    const files = new Map([
      ['src-main/data/a.ts', "import { b } from './b.ts';"],
      ['src-main/data/b.ts', "export * from './c.ts';"],
      ['src-main/data/c.ts', "import type { A } from './a.ts';"],
    ]);
    expect(circles(files)[0]).toBe('src-main/data/a.ts → src-main/data/b.ts → src-main/data/c.ts → src-main/data/a.ts');
    files.set('src-main/data/c.ts', '');
    expect(circles(files)).toEqual([]);
  });
});

describe('the check of TensorFlow', () => {
  const START = 'src-main/shells/cli/cli.ts';

  it.each([
    ['the library', "import { a } from '../../runtime/library.ts';", true],
    ['a job', "await import('../../job-process/a.ts');", true],
    ['koffi', "import koffi from 'koffi';", true],
    ['types of the library', "import type { A } from '../../runtime/library.ts';", false],
  ])('judges a value import of %s two files away', (_what, text, found) => {
    const files = new Map(WITHOUT_TENSORFLOW.map((path) => [path, '']));
    files.set(START, "import './b.ts';").set('src-main/shells/cli/b.ts', text);
    files.set('src-main/runtime/library.ts', '').set('src-main/job-process/a.ts', '');
    expect(wayToTensorFlow(files) !== undefined).toBe(found);
  });
});

describe('the check', () => {
  const verdict = (path: string, text: string) => violations(new Map([[path, text]])).length;

  it.each([
    ['an upward import', 'src-main/data/a.ts', "import { b } from '../train/b.ts';"],
    ['a re-export', 'src-main/formats/a.ts', "export * from '../data/b.ts';"],
    ['a dynamic import', 'src-main/model/a.ts', "const b = await import('../train/b.ts');"],
    ['a type named in place', 'src-main/model/a.ts', "let b: import('../train/b.ts').B;"],
    ['a value where types alone may go', 'src-main/train/a.ts', "import { type A, b } from '../runtime/b.ts';"],
    ['a package of another folder', 'src-main/model/a.ts', "import koffi from 'koffi';"],
    ['a Node module where there is none', 'src-main/protocol/a.ts', "import { join } from 'node:path';"],
    ['a required package', 'src-main/trace/a.ts', "const b = require('koffi');"],
    [
      'the renderer reaching into the core',
      'src-renderer/views/A.vue',
      "<script>import '../../src-main/runs/a.ts'</script>",
    ],
    [
      'a component that holds a store',
      'src-renderer/components/A.vue',
      "<script>import { a } from '../stores/a.ts'</script>",
    ],
    ['a folder with no row', 'src-main/extra/a.ts', ''],
    ['a folder with no row in the renderer', 'src-renderer/extra/a.ts', ''],
    ['an import from a folder with no row', 'src-main/service/a.ts', "import '../extra/a.ts';"],
  ])('finds %s', (_what, path, text) => expect(verdict(path, text)).toBe(1));

  it.each([
    ['an import within', 'src-main/data/a.ts', "import { b } from './b.ts';"],
    [
      'types where they may go',
      'src-main/train/a.ts',
      "import { type A } from '../runtime/b.ts'; import type B from '../data/b.ts';",
    ],
    ['a text resource', 'src-main/install/a.ts', "import text from '../../resources/a.py?raw';"],
  ])('allows %s', (_what, path, text) => expect(verdict(path, text)).toBe(0));
});
