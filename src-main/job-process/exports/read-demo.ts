import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeNow } from '../../base/moves.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { readGraphExport, type GraphExport } from '../../weights/graph-export.ts';
import type { DemoFacts } from './demo-page.ts';

/** A demo, as a browser reads it: its network, and what the page says of it. */
export interface ReadDemo {
  graph: GraphExport;
  dispose(): void;
}

/** Tells whether an export is a demo: a page, or a folder with one. */
export function isDemo(path: string): boolean {
  const page = pageOf(path);
  return /\.html$/i.test(page) && statSync(page, { throwIfNoEntry: false })?.isFile() === true;
}

/**
 * Takes the network out of a demo, and the words that the page shows and prepares images by.
 * @throws StillhouseError `file.unreadable`, `teacher.*` of a damaged one
 */
export function readDemo(path: string): ReadDemo {
  const page = readFileSync(pageOf(path), 'utf8');
  const facts = factsIn(path, page);
  const isFolder = statSync(path).isDirectory();
  const folder = isFolder ? null : mkdtempSync(join(tmpdir(), 'stillhouse-demo-'));
  const dispose = (): void => (folder === null ? undefined : removeNow(folder));
  try {
    const file = join(folder ?? path, 'model.onnx');
    if (folder !== null) writeFileSync(file, Buffer.from(elementIn(path, page, 'text/plain', 'model'), 'base64'));
    return { graph: { ...readGraphExport(file, 'onnx'), ...wordsOf(facts) }, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

function pageOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, 'index.html') : path;
}

function wordsOf(facts: DemoFacts): Omit<GraphExport, 'format' | 'path' | 'input' | 'output' | 'count'> {
  const { architecture, classes, height, width, mean, std, cropRatio, interpolation } = facts;
  const sides = { inputSize: height, ...(width !== height && { inputWidth: width }) };
  const preprocessing = { ...sides, cropRatio, interpolation, mean, std };
  return { architecture, classes, mean, std, precision: 'float32', preprocessing };
}

function factsIn(path: string, page: string): DemoFacts {
  try {
    return JSON.parse(elementIn(path, page, 'application/json', 'facts')) as DemoFacts;
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    throw new StillhouseError('file.unreadable', { path, reason: reason('file.not-json') }, { cause: error });
  }
}

/** The text of an element of the page. */
function elementIn(path: string, page: string, type: string, id: string): string {
  const begin = `<script type="${type}" id="${id}">`;
  const from = page.indexOf(begin);
  const to = page.indexOf('</script>', from);
  if (from < 0 || to < 0) throw new StillhouseError('file.unreadable', { path, reason: reason('file.not-json') });
  return page.slice(from + begin.length, to);
}
