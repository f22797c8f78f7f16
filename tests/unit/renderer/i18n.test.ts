import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERRORS, StillhouseError, toPlainError, type ErrorCode } from '../../../src-main/protocol/errors.ts';
import { PRESETS } from '../../../src-main/protocol/presets.ts';
import { REASONS, reason, sayReason, type ReasonCode, type ReasonValue } from '../../../src-main/protocol/reasons.ts';
import { FIELDS, checkField } from '../../../src-main/protocol/recipe.ts';
import en from '../../../src-renderer/i18n/en.ts';
import { zhErrors } from '../../../src-renderer/i18n/errors.zh-CN.ts';
import { describeError } from '../../../src-renderer/i18n/errors.ts';
import { describeChoice, describeDefault, describeField, describeProblem } from '../../../src-renderer/i18n/fields.ts';
import { zhFields, zhUnits } from '../../../src-renderer/i18n/fields.zh-CN.ts';
import { createTranslations } from '../../../src-renderer/i18n/index.ts';
import { describeReason } from '../../../src-renderer/i18n/reasons.ts';
import { zhReasons } from '../../../src-renderer/i18n/reasons.zh-CN.ts';
import zh from '../../../src-renderer/i18n/zh-CN.ts';

type Tree = { [key: string]: string | Tree };

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') flat.set(prefix + key, value);
    else for (const [path, text] of flatten(value, `${prefix}${key}.`)) flat.set(path, text);
  }
  return flat;
}

const names = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g))].sort();
const hasChinese = (text: string): boolean => /[\u4e00-\u9fff]/.test(text);

/** Two lower-case English words in a row: a sentence. Names, paths, flags and commands of Stillhouse are none. */
const englishIn = (text: string): string[] =>
  text
    .replace(/\{\w+\}|(?:stillhouse|pip|docker|apt) [a-z-]+|--[a-z-]+/g, '')
    .match(/(?<![\w./-])[a-z]{2,} [a-z]{2,}(?![\w./-])/g) ?? [];
const english = flatten(en);
const chinese = flatten(zh);

describe('messages', () => {
  test('have the same keys in both languages', () => {
    expect([...chinese.keys()]).toEqual([...english.keys()]);
  });

  test('have the same {names} in both languages', () => {
    for (const [key, text] of english) expect([key, names(chinese.get(key)!)]).toEqual([key, names(text)]);
  });

  test('are Chinese wherever English has words', () => {
    const same = [...english].filter(
      ([key, text]) => /[a-z]{3}/i.test(text.replace(/\{\w+\}/g, '')) && !hasChinese(chinese.get(key)!),
    );
    expect(same.map(([key]) => key)).toEqual([
      'evaluate.columns.acc1',
      'evaluate.columns.acc5',
      'evaluate.columns.nll',
      'evaluate.columns.ece',
      'evaluate.columns.real',
      'evaluate.csv',
      'evaluate.json',
      'studies.test',
      'weights.columns.gflops',
      'weights.columns.top1',
      'weights.columns.top5',
      'weights.facts.hash',
      'status.engine',
      'data.pathExample',
      'data.layouts.train-val',
      'checkpoints.columns.acc1',
      'export.formats.safetensors.name',
      'export.formats.pth.name',
      'export.formats.onnx.name',
      'export.formats.onnx-float16.name',
      'export.formats.onnx-int8.name',
      'export.formats.saved-model.name',
      'export.formats.tfjs-float16.name',
      'engine.name',
      'engine.cpu',
      'engine.gpu',
    ]);
  });

  test('compile without an error in both languages', () => {
    const { global } = createTranslations();
    for (const locale of ['en', 'zh-CN'] as const)
      for (const key of english.keys()) {
        const text = global.t(key, { n: 2 }, { locale, plural: 2 });
        expect(text).not.toBe(key);
        expect(text).not.toContain("{'@'}");
      }
    expect(global.t('charts.acc1.title', {}, { locale: 'en' })).toBe('Validation Acc@1');
    expect(global.t('data.classesCount', { n: 1 }, { locale: 'en', plural: 1 })).toBe('1 class');
    expect(global.t('data.classesCount', { n: 10 }, { locale: 'en', plural: 10 })).toBe('10 classes');
  });
});

describe('source', () => {
  const root = fileURLToPath(new URL('../../../src-renderer/', import.meta.url));
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(vue|ts)$/.test(file));
  const source = files.filter((file) => !file.startsWith('i18n')).map((file) => readFileSync(root + file, 'utf8'));
  const text = source.join('\n');

  test('asks only for keys that exist', () => {
    const literal = /\bt\(\s*'([\w.-]+)'/g;
    const asked = [...text.matchAll(literal)].map((match) => match[1]);
    expect(asked.length).toBeGreaterThan(100);
    expect(asked.filter((key) => !english.has(key))).toEqual([]);
  });

  test('asks for every key, by itself or through a family of keys', () => {
    const families = [...text.matchAll(/`([\w.]+\.)\$\{/g)].map((match) => match[1]);
    const unused = [...english.keys()].filter(
      (key) => !text.includes(`'${key}'`) && !families.some((family) => key.startsWith(family)),
    );
    expect(unused).toEqual([]);
  });

  test('has no words of its own in templates', () => {
    const templates = files
      .filter((file) => file.endsWith('.vue'))
      .map((file) => /<template>([\s\S]*)<\/template>/.exec(readFileSync(root + file, 'utf8'))?.[1] ?? '');
    const words = templates.flatMap((template) =>
      [...template.replace(/\{\{[\s\S]*?\}\}/g, '…').matchAll(/>([^<>]*[A-Za-z]{3}[^<>]*)</g)].map((match) =>
        match[1].trim(),
      ),
    );
    const codeLike = /[="'(){}:]|=>/;
    expect(words.filter((word) => !codeLike.test(word)).sort()).toEqual([
      'Stillhouse',
      'train/cat/1.jpg\ntrain/dog/2.jpg\nval/cat/3.jpg\nval/dog/4.jpg',
      '… · Node … · Stillhouse …',
    ]);
  });
});

describe('errors', () => {
  const codes = Object.keys(ERRORS) as ErrorCode[];

  test('every code has Chinese words with the same {names}', () => {
    expect(Object.keys(zhErrors).sort()).toEqual([...codes].sort());
    for (const code of codes) {
      expect([code, names(zhErrors[code].says)]).toEqual([code, names(ERRORS[code].says)]);
      expect([code, names(zhErrors[code].advice)]).toEqual([code, names(ERRORS[code].advice)]);
      expect([code, hasChinese(zhErrors[code].says + zhErrors[code].advice)]).toEqual([code, true]);
      expect([code, englishIn(zhErrors[code].says + zhErrors[code].advice)]).toEqual([code, []]);
    }
  });

  test('are told with their values filled in, known reasons translated', () => {
    const error = toPlainError(
      new StillhouseError('data.unreadable', { path: '/a.jpg', reason: reason('file.empty') }),
    );
    expect(describeError(error, 'en').says).toBe('/a.jpg cannot be read: the file is empty.');
    expect(describeError(error, 'zh-CN').says).toBe('无法读取 /a.jpg：文件为空。');
  });

  test('of a newer service are told by their message', () => {
    const error = { code: 'newer.code' as ErrorCode, params: {}, message: 'Something new happened.' };
    expect(describeError(error, 'zh-CN')).toEqual({ says: 'Something new happened.', advice: '' });
  });
});

describe('reasons', () => {
  const codes = Object.keys(REASONS) as ReasonCode[];

  test('have Chinese words with the same {names}, and no English but of names and code', () => {
    for (const code of codes) {
      expect([code, names(zhReasons[code])]).toEqual([code, names(REASONS[code])]);
      expect([code, englishIn(zhReasons[code])]).toEqual([code, []]);
      // Of parameters alone there is nothing to translate.
      const hasWords = /[a-z]/i.test(REASONS[code].replace(/\{\w+\}/g, ''));
      if (hasWords) expect([code, hasChinese(zhReasons[code])]).toEqual([code, true]);
    }
  });

  test('and errors, with everything filled in, show no English sentence in Chinese', () => {
    const samples: ReasonValue[] = [reason('file.empty'), 3, 'data/cat-0.jpg', reason('value.below-1')];
    const filled = (text: string): Record<string, ReasonValue> =>
      Object.fromEntries(names(text).map((name, at) => [name.slice(1, -1), samples[at % samples.length]]));
    for (const code of codes) {
      const said = describeReason({ code, params: filled(REASONS[code]) }, 'zh-CN');
      expect([code, englishIn(said), names(said)]).toEqual([code, [], []]);
    }
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const error = new StillhouseError(code, filled(ERRORS[code].says + ERRORS[code].advice));
      const { says, advice } = describeError(toPlainError(error), 'zh-CN');
      expect([code, englishIn(says + advice), names(says + advice)]).toEqual([code, [], []]);
    }
  });

  test('stand within reasons, and as the text of an earlier version', () => {
    const error = (why: ReasonValue) => new StillhouseError('data.unreadable', { path: 'a', reason: why });
    expect(error(reason('raw.text', { text: reason('file.empty') })).message).toContain('read: the file is empty.');
    expect(error('the file was eaten').message).toContain('read: the file was eaten.');
    expect(describeError(toPlainError(error('the file was eaten')), 'zh-CN').says).toContain('the file was eaten');
  });

  test('of a later version show their code and parameters', () => {
    const later = { code: 'file.later' as ReasonCode, params: { size: 3, why: reason('file.empty') } };
    expect(sayReason(later)).toBe('file.later 3 the file is empty');
  });
});

describe('recipe', () => {
  test('every field has a Chinese label and help, every unit a Chinese name', () => {
    expect(Object.keys(zhFields).sort()).toEqual(FIELDS.map(({ key }) => key).sort());
    for (const field of FIELDS) {
      expect([field.key, hasChinese(zhFields[field.key].help)]).toEqual([field.key, true]);
      if (field.unit) expect([field.unit, field.unit in zhUnits]).toEqual([field.unit, true]);
      expect(describeField(field, 'en')).toMatchObject({ label: field.label, help: field.help });
    }
  });

  test('every choice that is a word has a Chinese name, every default a text', () => {
    for (const field of FIELDS) {
      if (field.type === 'choice')
        for (const choice of field.choices) expect(hasChinese(describeChoice(field.key, choice, 'zh-CN'))).toBe(true);
      for (const locale of ['en', 'zh-CN']) expect(describeDefault(field, locale)).not.toBe('');
    }
  });

  test('problems are told in both languages', () => {
    const epochs = FIELDS.find(({ key }) => key === 'epochs')!;
    const problem = checkField(epochs, 1.5)!;
    expect(describeProblem(problem, 'en')).toBe('Expected a whole number from 1 to 100000, got 1.5.');
    expect(describeProblem(problem, 'zh-CN')).toBe('应为 1 到 100000 之间的整数，而不是 1.5。');
  });

  test('every preset has words, and values that are valid', () => {
    for (const { id, values } of PRESETS) {
      expect(english.has(`presets.${id}.name`)).toBe(true);
      for (const [key, value] of Object.entries(values))
        expect(
          checkField(
            FIELDS.find((field) => field.key === key)!,
            value,
          ),
        ).toBeUndefined();
    }
  });
});
