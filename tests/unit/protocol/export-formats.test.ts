import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'oxfmt';
import { describe, expect, it, test } from 'vitest';
import { EXPORT_FORMATS, EXPORT_FORMAT_NAMES, WEIGHT_ENDINGS, formatOfKind, formatOfPath, isShard, nameEnd, weightFormatOf } from '../../../src-main/protocol/export-formats.ts'; // prettier-ignore

describe('the format of a file', () => {
  it.each([
    ['/a/model.safetensors', 'safetensors'],
    ['model.PTH', 'pth'],
    ['model.pt', 'pth'],
    ['pytorch_model.bin.index.json', 'pth'],
    ['model.safetensors.index.json', 'safetensors'],
    ['model.onnx', null],
    ['model-timm', null],
    ['pth', null],
    ['model.pth.json', null],
  ])('of %s is %s by its name', (path, expected) => {
    expect(weightFormatOf(path)).toBe(expected);
  });

  it('is the one whose row holds the kind of its content', () => {
    expect(formatOfKind('torch-legacy')).toBe('pth');
    for (const name of EXPORT_FORMAT_NAMES)
      for (const kind of Object.keys(EXPORT_FORMATS[name].kinds)) expect(formatOfKind(kind as never)).toBe(name);
  });

  it('of an export is also that of a folder', () => {
    expect(['deit-timm', 'deit-huggingface', 'deit.pth', 'deit'].map(formatOfPath)).toEqual(['timm', 'huggingface', 'pth', null]); // prettier-ignore
  });

  it('belongs to every ending once', () => {
    expect(new Set(WEIGHT_ENDINGS).size).toBe(WEIGHT_ENDINGS.length);
  });
});

test('files that an index names are shards', () => {
  expect(isShard('m-00001-of-00002.pth')).toBe(true);
  expect([isShard('m.pth'), isShard('m-00001-of-00002.txt')]).toEqual([false, false]);
});

/** Endings as code: in a quoted text or in a regular expression. */
const SCATTERED = /['"`|(.](pth|safetensors)['"`|)]/;
/** Files that name the endings for a reason of their own. */
const ALLOWED = [
  'src-main/formats/weight-file.ts', // recognises kinds by content
  'src-main/protocol/export-formats.ts',
  'src-main/protocol/errors.ts', // advice in code of torch
  'src-main/runs/checkpoint-file.ts', // checkpoints are safetensors in any case
  'src-main/runs/checkpoint.ts',
  'src-main/runs/evaluation-file.ts', // so are the answers of evaluations
  'src-main/install/weight-source.ts', // the name of a download without a name
  'src-main/install/weight-caches.ts', // names of Hugging Face's files
  'src-main/runs/export-writers.ts', // names formats
  'src-main/runs/hub-folder.ts',
  'src-main/weights/hub-config.ts',
  'src-main/weights/open-weights.ts',
  'src-renderer/i18n/errors.zh-CN.ts',
  'src-renderer/i18n/export-page.zh-CN.ts', // names of the formats
];

test('no other source decides by the ending of a weight file', () => {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const sources = ['src-main', 'src-renderer'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  );
  const found = sources
    .filter((name) => /\.(ts|vue)$/.test(name) && !ALLOWED.includes(name))
    .filter((name) => SCATTERED.test(readFileSync(join(root, name), 'utf8')));
  expect(found).toEqual([]);
});

const INTRODUCTION = `# Export formats

This table is made from \`src-main/protocol/export-formats.ts\` by \`npm run unit -- tests/unit/protocol -u\`.
[adding.md](adding.md) says how a format is added. Whatever its name, a weight file is recognised by its content when
it is read.`;

test('docs/export-formats.md says what the table says', async () => {
  const rows = EXPORT_FORMAT_NAMES.map((name) => {
    const { endings, about, readBy, holdsAverage } = EXPORT_FORMATS[name];
    const others = endings.slice(1).map((ending) => `\`.${ending}\``);
    return `| \`--format ${name}\` | \`${nameEnd(name)}\` | ${others.join(', ') || '–'} | ${readBy} | ${holdsAverage ? 'yes' : 'no'} | ${about} |`;
  });
  const head = '| format | ending | also read as | read by | holds the moving average beside the model | note |';
  const lines = [INTRODUCTION, '', head, '|---|---|---|---|---|---|', ...rows];
  const { code } = await format('export-formats.md', lines.join('\n'), { printWidth: 120, singleQuote: true });
  await expect(code).toMatchFileSnapshot('../../../docs/export-formats.md');
});
