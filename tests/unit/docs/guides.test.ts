import { dirname, join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { docComments } from './doc-comments.ts';
import { files, read, sources } from './sources.ts';

/** The guides to adding things: every file and every name in them exists, so that they stay true when code moves. */

const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);

const PATH = /^[\w./*-]+\.(ts|tsx|vue|py|md|as|json|mjs)$/;
const NAME = /^[A-Za-z_]\w*$/;

/** Finds a path from the root, from the folders that guides may leave out, or from the folder of an earlier path. */
function found(path: string, near: readonly string[]): string | null {
  const places = ['.', 'src-main', 'src-renderer', 'docs', ...near];
  for (const place of places) {
    const pattern = new RegExp(`^${join(place, path).replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
    const match = files.find((file) => pattern.test(file));
    if (match) return match;
  }
  return null;
}

/** Lists what is wrong with one paragraph or numbered item: paths that are not there, names that no file of it has. */
function wrong(text: string): string[] {
  const quoted = [...text.matchAll(/`([^`]+)`/g)].map(([, token]) => token);
  const paths: string[] = [];
  const missing: string[] = [];
  for (const token of quoted.filter((one) => PATH.test(one))) {
    const path = found(token, paths.map(dirname));
    if (path) paths.push(path);
    else missing.push(token);
  }
  const texts = (paths.length > 0 ? paths : sources).map(read);
  for (const token of quoted.filter((one) => NAME.test(one)))
    if (!texts.some((content) => new RegExp(`\\b${token}\\b`).test(content))) missing.push(token);
  for (const [, script] of text.matchAll(/`npm run (\S+?)[ `]/g)) if (!scripts.includes(script)) missing.push(script);
  return missing;
}

const guides = read('docs/adding.md')
  .split(/^## /m)
  .slice(1)
  .map((part): [title: string, body: string] => {
    const at = part.indexOf('\n');
    return [part.slice(0, at), part.slice(at)];
  });
const stepsOf = (body: string): string[] => body.split(/^(?=\d+\. |\n)/m).filter((part) => part.trim() !== '');

describe('the guide to', () => {
  it.each(guides)('%s names what is there', (_, body) => {
    expect(stepsOf(body).flatMap(wrong)).toEqual([]);
  });

  it.each([
    ['A loss', 5],
    ['A chart', 2],
    ['A command of the command line', 2],
    ['An export format', 6],
  ])('%s takes %i files at most', (title, most) => {
    const body = guides.find(([name]) => name === title)![1];
    expect(stepsOf(body).filter((step) => /^\d+\. /.test(step)).length).toBeLessThanOrEqual(most);
  });

  it('nothing has a hole: a missing file and a missing name are found', () => {
    expect(wrong('1. `src-main/nowhere.ts`: a line')).toEqual(['src-main/nowhere.ts']);
    expect(wrong('1. `src-main/train/sgd.ts`: see `noSuchThing` and `sgdOptimizer`')).toEqual(['noSuchThing']);
    expect(wrong('run `npm run nonsense -- x`')).toEqual(['nonsense']);
  });
});

test('guides in comments name files that are there, and sections of docs/adding.md', () => {
  const titles = guides.map(([title]) => title);
  const bad = sources
    .filter((file) => /\.ts$/.test(file) && read(file).includes('To add'))
    .flatMap((file) =>
      docComments(read(file), file)
        .filter(({ text }) => text.includes('To add'))
        .flatMap(({ text }) => {
          const tokens = text.slice(text.indexOf('To add')).match(/[\w./*-]+\.(ts|py|md|json|vue)\b/g) ?? [];
          const lost = tokens.filter((token) => !found(token, [dirname(file)]));
          const sections = [...text.matchAll(/"([^"]+)" in\s+docs\/adding\.md/g)].map(([, title]) => title);
          return [...lost, ...sections.filter((title) => !titles.includes(title))].map((what) => `${file}: ${what}`);
        }),
    );
  expect(bad).toEqual([]);
});
