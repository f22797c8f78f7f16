import { readFileSync } from 'node:fs';
import { reasonOf, StillhouseError } from '../protocol/errors.ts';
import { sayReason } from '../protocol/reasons.ts';
import { readableText } from '../base/text.ts';
import { namesOf } from './hub-config.ts';

/**
 * Reads the names of classes in the order of a network's outputs from a file: one a line, a JSON list, a JSON dict from
 * number to name (`id2label`, or a config.json that holds one).
 * @throws StillhouseError `file.unreadable`, `weights.class-file`
 */
export function readClassNames(path: string): string[] {
  const text = readText(path);
  const names = /^\s*[[{]/.test(text) ? namesInJson(path, text) : linesOf(text);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (names.length === 0) throw new StillhouseError('weights.class-file', { path, got: '–' });
  if (twice !== undefined) throw new StillhouseError('weights.class-file', { path, got: `${twice}, ${twice}` });
  return names;
}

function readText(path: string): string {
  try {
    return readableText(readFileSync(path));
  } catch (error) {
    throw new StillhouseError('file.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  }
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== '');
}

function namesInJson(path: string, text: string): string[] {
  const wrong = (got: string) => new StillhouseError('weights.class-file', { path, got: got.slice(0, 200) });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const { id2label, label_names: labels } = json as Record<string, unknown>;
  try {
    return namesOf(path, 'classes', id2label ?? labels ?? json) ?? [];
  } catch (error) {
    throw error instanceof StillhouseError ? wrong(sayReason(error.params.got)) : error;
  }
}
