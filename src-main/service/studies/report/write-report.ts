import { dirname, join } from 'node:path';
import { requireFolder, writeFileAtomic } from '../../../base/files.ts';
import type { ReportRequest } from '../../../protocol/study.ts';
import { absolute } from '../../data/datasets.ts';

/** Where a report goes. */
interface Place {
  /** The folder of its subject, for one that names none. */
  own: string;
  /** Names the subject in another folder. */
  subject: string;
}

/**
 * Writes a report into the file or folder that was asked for.
 * @throws StillhouseError `disk.full`, `disk.denied`
 */
export function writeReport(
  text: string,
  { format, folder, output }: ReportRequest,
  { own, subject }: Place,
): { path: string; bytes: number } {
  const named = `${subject.replace(/[^\p{L}\p{N}.-]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '')}-report.${format}`;
  const asked = folder === undefined ? join(own, `report.${format}`) : join(absolute(folder), named);
  const path = output === undefined ? asked : absolute(output);
  requireFolder(dirname(path));
  writeFileAtomic(path, text);
  return { path, bytes: Buffer.byteLength(text) };
}
