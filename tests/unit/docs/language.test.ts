import ts from 'typescript';
import { describe, expect, it, test } from 'vitest';
import { docComments } from './doc-comments.ts';
import { files, read, sources } from './sources.ts';

/**
 * What can be checked of plain English: exported functions say first what they do, types and constants do not begin
 * with a clause, and some words are not used.
 */

/** Plural nouns, which look like verbs in the third person. */
const NOUNS = new Set(
  [
    'Bins Bits Bytes Calls Cells Choices Classes Columns Epochs Errors Events Facts Fields Files Gradients Hours Images',
    'Indices Inputs Keys Labels Lines Logits Losses Milliseconds Millions Models Multiplications Notes Numbers Ops',
    'Options Params Parameters Parts Paths Pixels Rows Runs Seconds Segments Series Settings Shapes Specs Steps Targets',
    'Tensors Texts Threads Types Values Variables Weights Words',
  ]
    .join(' ')
    .split(' '),
);
/** Verbs that are in the list of nouns as well, with the words after which they are meant. */
const VERBS =
  /^(Calls|Columns|Fields|Runs|Steps|Weights|Types) ((a|an|the|one|its|this|every|each|all|or)\b|`\w|\{@link)/;

const CLAUSE = /^(What|Whether|How|Why|Where|When|Who|Whom|Whose|Which)\b/;

/** Tells whether a comment begins with a verb in the third person, such as "Reads" or "Is". */
function beginsWithVerb(text: string): boolean {
  const [first] = text.split(/[\s,.:;]/);
  if (NOUNS.has(first)) return VERBS.test(text);
  return /^[A-Z][a-z]*s$/.test(first) && !/ss$/.test(first);
}

const typescript = sources.filter((file) => file.endsWith('.ts'));

describe('comments', () => {
  it('of exported functions begin with a verb', () => {
    const bad = typescript.flatMap((file) =>
      docComments(read(file), file)
        .filter(({ of, text }) => of?.kind === 'function' && !beginsWithVerb(text))
        .map(({ line, of, text }) => `${file}:${line} ${of!.name}: ${text.slice(0, 60)}`),
    );
    expect(bad).toEqual([]);
  });

  it('of exported types and constants begin with a verb or a noun, not with a clause', () => {
    const bad = typescript.flatMap((file) =>
      docComments(read(file), file)
        .filter(({ of, text }) => of?.kind === 'other' && CLAUSE.test(text))
        .map(({ line, of, text }) => `${file}:${line} ${of!.name}: ${text.slice(0, 60)}`),
    );
    expect(bad).toEqual([]);
  });

  it.each([
    ['Reads a file.', true],
    ['Is true of a file.', true],
    ['Runs `body`.', true],
    ['Runs on disk, newest first.', false],
    ['Bytes of a file.', false],
    ['The bytes of a file.', false],
    ['Whether a file is there.', false],
    ['What a file holds.', false],
    ['Class names.', false],
  ])('beginning so: %s (%s)', (text, expected) => {
    expect(beginsWithVerb(text)).toBe(expected);
  });
});

/** Lists the comments of a source: their text and, from 1, their line. */
function commentsIn(source: string): { line: number; text: string }[] {
  const found: { line: number; text: string }[] = [];
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, false, ts.LanguageVariant.Standard, source);
  let line = 1;
  for (let kind = scanner.scan(); kind !== ts.SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    const text = scanner.getTokenText();
    if (kind === ts.SyntaxKind.SingleLineCommentTrivia || kind === ts.SyntaxKind.MultiLineCommentTrivia)
      found.push({ line, text });
    line += text.split('\n').length - 1;
  }
  return found;
}

/** Words that a reader stumbles over, and what to write in their place. */
const UNLOVED: [RegExp, string][] = [
  [/\btold\b/, 'name who says what to whom: reports, sends, shows, is recognised by'],
  [/\bpictures?\b/i, 'image'],
];

test('neither comments nor documentation use unloved words', () => {
  const comments = typescript.flatMap((file) => commentsIn(read(file)).map((one) => ({ file, ...one })));
  const documents = ['README.md', ...files.filter((file) => /^docs\/.*\.md$/.test(file))].flatMap((file) =>
    read(file)
      .split('\n')
      .map((text, at) => ({ file, line: at + 1, text })),
  );
  const bad = [...comments, ...documents].flatMap(({ file, line, text }) =>
    UNLOVED.filter(([word]) => word.test(text.replace(/`[^`]*`/g, ''))).map(
      ([, better]) => `${file}:${line} ${better}`,
    ),
  );
  expect(bad).toEqual([]);
});
