import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { parse } from 'vue/compiler-sfc';
import { ROOT, SetupError, runMain, say } from './steps.mjs';

/**
 * Checks of the window's components by tools that read TypeScript alone: what they read is written into a folder that
 * lies over the checkout by `rootDirs`, so that imports resolve as from the component.
 * `node src-main/setup/vue-checks.mjs lint [FILE …]` has oxlint apply the rules that need types to the script blocks;
 * `… types [FILE …]` has the native compiler check scripts and templates as Vue's language tools write them out.
 * Without files it reads all of `src-renderer`. Exit code 0 means that nothing was found.
 */
const require = createRequire(import.meta.url);
const WINDOW = join(ROOT, 'src-renderer');

function componentsOf(files) {
  if (files.length > 0) return files.map((file) => resolve(file));
  const found = readdirSync(WINDOW, { recursive: true }).filter((path) => path.endsWith('.vue'));
  return found.map((path) => join(WINDOW, path));
}

/** Empties a cache folder and gives it the window's compiler options. */
function overlay(name, include) {
  const folder = join(ROOT, 'node_modules/.cache', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const options = { extends: '../../../src-renderer/tsconfig.json', compilerOptions: { rootDirs: ['../../..', '.'] } };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...options, include: ['**/*.ts', ...include] }));
  return folder;
}

/** Writes what stands for a component into the overlay. @returns the file's path */
function put(folder, component, ending, text) {
  const path = join(folder, relative(ROOT, component).replaceAll('..', 'outside') + ending);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** The script of a component on the lines where it stands. @throws SetupError on what it cannot stand for */
function scriptOf(component) {
  const { descriptor, errors } = parse(readFileSync(component, 'utf8'), { sourceMap: false });
  if (errors.length > 0) throw new SetupError(`${component}: ${errors[0].message}`);
  const { script, scriptSetup } = descriptor;
  if (script || scriptSetup?.lang !== 'ts')
    throw new SetupError(`${component}: a component has one script, <script setup lang="ts">`);
  const generic = /^(\w+) extends (\w+)$/.exec(scriptSetup.attrs.generic ?? 'T extends unknown');
  if (!generic)
    throw new SetupError(`${component}: write generic as "Name extends Type", or teach vue-checks.mjs more`);
  const types = scriptSetup.attrs.generic ? `type ${generic[1]} = ${generic[2]};` : '';
  return '\n'.repeat(scriptSetup.loc.start.line - 1) + types + scriptSetup.content;
}

/** Applies the rules of `.oxlintrc.json` to the scripts; ESLint has those of templates and of unused names. */
function lint(components) {
  const folder = overlay('vue-scripts', ['../../../src-renderer/vue-files.d.ts']);
  const scripts = components.map((component) => put(folder, component, '.ts', scriptOf(component)));
  const flags = ['--type-aware', '--max-warnings', '0', '--report-unused-disable-directives'];
  const args = ['node_modules/oxlint/bin/oxlint', ...flags, ...scripts.map((path) => relative(ROOT, path))];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  const own = new RegExp(`${relative(ROOT, folder).replaceAll('\\', '/')}/([^\\s:]+\\.vue)\\.ts`, 'g');
  say(`${stdout}${stderr}`.replaceAll('\\', '/').replace(own, '$1'));
  return status === 0;
}

/** Has Vue's language tools write each component as TypeScript. @returns a function that finds a place in a component */
function writeOut(folder, components) {
  const ts = require('typescript');
  const core = require('@vue/language-core');
  const { options, vueOptions } = core.createParsedCommandLine(ts, ts.sys, join(WINDOW, 'tsconfig.json'));
  const plugin = core.createVueLanguagePlugin(ts, options, vueOptions, (path) => path);
  const written = new Map();
  for (const component of components) {
    const snapshot = ts.ScriptSnapshot.fromString(readFileSync(component, 'utf8'));
    const codes = [...core.forEachEmbeddedCode(plugin.createVirtualCode(component, 'vue', snapshot))];
    const code = codes.find(({ id }) => id.startsWith('script_'));
    const text = code.snapshot.getText(0, code.snapshot.getLength());
    // The reference to the types of templates is relative to the component.
    const placed = text.replace(/(?<=^\/\/\/ <reference types=").*(?=node_modules\/@vue)/, ROOT.replaceAll('\\', '/'));
    written.set(put(folder, component, '.ts', placed), { component, code, placed, moved: placed.length - text.length });
  }
  return (path, line, column, error) => {
    const { component, code, placed, moved } = written.get(path);
    const place = placed.split('\n', line - 1).join('\n').length + column - moved;
    const counts = (data) => core.shouldReportDiagnostics(data, 'ts', error);
    const [found] = new core.SourceMap(code.mappings).toSourceLocation(place, counts);
    if (!found) return undefined;
    const before = readFileSync(component, 'utf8').slice(0, found[0]).split('\n');
    return `${relative(process.cwd(), component)}(${before.length},${before.at(-1).length + 1})`;
  };
}

/** Compiles the components as they are written out, and says the errors that lie in what a person wrote. */
function types(components, others) {
  const folder = overlay('vue-types', others);
  const placeOf = writeOut(folder, components);
  const args = [
    'node_modules/typescript-native/bin/tsc',
    '--noEmit',
    '--singleThreaded',
    '--pretty',
    'false',
    '-p',
    folder,
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  let shown = true;
  const errors = `${stdout}${stderr}`.split('\n').flatMap((text) => {
    const at = /^(.+\.vue\.ts)\((\d+),(\d+)\)(: error TS(\d+): .*)$/.exec(text);
    const place = at && placeOf(resolve(ROOT, at[1]), Number(at[2]), Number(at[3]), at[5]);
    // What is indented belongs to the error before it.
    if (!text.startsWith(' ')) shown = text !== '' && !(at && !place);
    return shown ? [at ? place + at[4] : text] : [];
  });
  if (errors.length > 0) say(errors.join('\n'));
  else if (status !== 0 && !stdout.includes('.vue.ts(')) throw new SetupError(`The compiler ended with code ${status}`);
  return errors.length === 0;
}

await runMain(() => {
  const [what, ...files] = process.argv.slice(2);
  const components = componentsOf(files);
  const others = files.length > 0 ? ['vue-files.d.ts'] : ['**/*.ts', '../tests/bench/charts/page.ts'];
  const checks = { lint: () => lint(components), types: () => types(components, others.map((path) => `../../../src-renderer/${path}`)) }; // prettier-ignore
  if (!checks[what]) throw new SetupError('Usage: vue-checks.mjs lint|types [FILE …]');
  if (!checks[what]()) process.exitCode = 1;
});
