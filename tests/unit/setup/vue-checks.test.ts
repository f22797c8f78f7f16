import { spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vue-checks-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Asks a check of one component. @returns its exit code and its lines that name the component's script or a rule */
function check(what: 'lint' | 'types', lines: string[]) {
  const file = join(folder, `${what}.vue`);
  writeFileSync(file, lines.join('\n'));
  const args = ['src-main/setup/vue-checks.mjs', what, file];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  // Continuous integration asks for colours.
  const said = stripVTControlCharacters(stderr);
  return { status, said };
}

const GOOD = ['import { ref } from "vue";', 'const used = ref("a");', '</script>', '', '<template>'];

test('finds what needs types in the script of a component, on its line', () => {
  const { status, said } = check('lint', [
    '<script setup lang="ts">',
    'import { ref } from "vue";',
    'const used = ref(1);',
    'fetch("a promise that floats");',
    'const unsafe: string = JSON.parse("1");',
    '</script>',
    '<template><p>{{ used }}{{ unsafe }}</p></template>',
  ]);
  expect(status).toBe(1);
  expect(said).toMatch(/no-floating-promises\)[^]*lint\.vue:4:1/);
  expect(said).toMatch(/no-unsafe-assignment\)[^]*lint\.vue:5:/);
  expect(said).toContain('Found 0 warnings and 2 errors.');
});

test('finds false types and unused names of a component in its script and its template', () => {
  const { status, said } = check('types', [
    '<script setup lang="ts">',
    ...['const count: number = "one";', 'const unused = 1;', ...GOOD],
    '  <p :title="used.missing">{{ used }}</p>',
    '  <button @click="nowhere()">{{ used.length }}</button>',
    '</template>',
  ]);
  expect(status).toBe(1);
  const places = [...said.matchAll(/types\.vue\((\d+,\d+)\): error (TS\d+)/g)].map(
    ([, place, code]) => `${place} ${code}`,
  );
  expect(places).toEqual(['2,7 TS2322', '2,7 TS6133', '3,7 TS6133', '9,19 TS2339', '10,19 TS2339']);
});

test('finds nothing in a component that is right', () => {
  const right = ['<script setup lang="ts">', ...GOOD, '  <p>{{ used.length }}</p>', '</template>'];
  expect(check('types', right)).toEqual({ status: 0, said: '' });
});
