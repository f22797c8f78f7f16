import { createHash } from 'node:crypto';
import { sayReason } from '../protocol/reasons.ts';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { formatExclusions, parseExclusions, type Exclusions } from '../data/layout/excluded.ts';
import { UNUSABLE_KINDS, type DatasetReport, type ExcludedList, type FindingKind } from '../protocol/data-types.ts';
import { writeFileAtomic } from '../base/files.ts';
import { asOnDisk } from '../base/names.ts';

/** Files of a finding that a window gets; the report on disk has them all. */
const MOST_SHOWN = 1000;
export const LIST_NAME = 'excluded.txt';
export const REPORT_NAME = 'data-report.json';
const READING_NAME = 'reading.txt';

/**
 * Keeps facts about data folders: the report of the last check and the list of images to leave out, in a folder of our
 * own for each, because nothing is ever written into a data folder.
 */
export class DataNotes {
  /** @param folder holds one folder for each data folder. */
  constructor(private readonly folder: string) {}

  /** Where the list of excluded images of a data folder lies, or would lie. */
  listPath(path: string): string {
    return join(this.folderOf(path), LIST_NAME);
  }

  /** Changes when the list or the reading does. */
  edited(path: string): string {
    return `${statSync(this.listPath(path), { throwIfNoEntry: false })?.mtimeMs ?? 0} ${this.reading(path)}`;
  }

  /** How a person said the folder is to be read; '' where nobody did. */
  reading(path: string): string {
    try {
      return readFileSync(join(this.folderOf(path), READING_NAME), 'utf8').trim();
    } catch {
      return '';
    }
  }

  /** Keeps how the folder is to be read; '' forgets it. @throws StillhouseError `disk.full`, `disk.denied`. */
  setReading(path: string, reading: string): void {
    this.write(path, READING_NAME, reading);
  }

  /** Returns the report of the last check of a data folder, or null. */
  report(path: string): DatasetReport | null {
    try {
      return JSON.parse(readFileSync(join(this.folderOf(path), REPORT_NAME), 'utf8')) as DatasetReport;
    } catch {
      return null;
    }
  }

  /** The same, with no more files of each finding than can be shown. */
  shownReport(path: string): DatasetReport | null {
    const report = this.report(path);
    return report && this.shortened(report);
  }

  /**
   * Keeps what a check found, and puts what cannot be used on the list of excluded images. A check that was stopped
   * before its first image has found nothing worth an earlier report.
   * @returns the report as it is shown.
   * @throws StillhouseError `disk.full`, `disk.denied`.
   */
  keepReport(report: DatasetReport): DatasetReport {
    if (report.checked === 0 && this.report(report.path)) return report;
    this.write(report.path, REPORT_NAME, `${JSON.stringify(report)}\n`);
    for (const kind of UNUSABLE_KINDS) this.exclude(report.path, kind);
    return this.shortened(report);
  }

  /** Files that are left out. */
  excludedFiles(path: string): ReadonlySet<string> {
    return new Set(this.exclusions(path).out.keys());
  }

  /** The list as it is shown. */
  excluded(path: string): ExcludedList {
    const { out } = this.exclusions(path);
    const files = [...out].slice(0, MOST_SHOWN).map(([file, reason]) => ({ file, reason }));
    const findings = this.report(path)?.findings ?? [];
    const kinds = findings.filter(({ files }) => files.every(({ file }) => out.has(file))).map(({ kind }) => kind);
    return { list: this.listPath(path), count: out.size, kinds, files };
  }

  /** Leaves out every image that the last check found of a kind, but for those that the list says to keep. */
  exclude(path: string, kind: FindingKind): void {
    const { out, kept } = this.exclusions(path);
    const before = out.size;
    for (const { file, reason } of this.filesOf(path, kind))
      if (!kept.has(file) && !out.has(file)) out.set(file, reason ? `${kind}: ${sayReason(reason)}` : kind);
    if (out.size > before) this.writeList(path, { out, kept });
  }

  /** Uses every image of a kind again. What cannot be used is marked, so that the next check leaves it alone. */
  include(path: string, kind: FindingKind): void {
    const { out, kept } = this.exclusions(path);
    for (const { file } of this.filesOf(path, kind))
      if (out.delete(file) && UNUSABLE_KINDS.includes(kind)) kept.add(file);
    this.writeList(path, { out, kept });
  }

  /** Puts a copy of the report and the list beside a run. @throws StillhouseError `disk.full`, `disk.denied`. */
  copyTo(path: string, run: string): void {
    for (const name of [LIST_NAME, REPORT_NAME]) {
      const from = join(this.folderOf(path), name);
      if (existsSync(from)) copyFileSync(from, join(run, name));
    }
  }

  private shortened(report: DatasetReport): DatasetReport {
    const findings = report.findings.map((finding) => ({ ...finding, files: finding.files.slice(0, MOST_SHOWN) }));
    return { ...report, findings, file: join(this.folderOf(report.path), REPORT_NAME) };
  }

  private filesOf(path: string, kind: FindingKind): DatasetReport['findings'][number]['files'] {
    return this.report(path)?.findings.find((finding) => finding.kind === kind)?.files ?? [];
  }

  private exclusions(path: string): Exclusions {
    return readExclusions(this.listPath(path));
  }

  private writeList(path: string, exclusions: Exclusions): void {
    this.write(path, LIST_NAME, formatExclusions(exclusions, path));
  }

  private write(path: string, name: string, text: string): void {
    mkdirSync(this.folderOf(path), { recursive: true });
    writeFileAtomic(join(this.folderOf(path), name), text);
  }

  private folderOf(path: string): string {
    return join(this.folder, notesName(path));
  }
}

/**
 * Returns the file name for the notes of a data folder: its name for people, and a hash that distinguishes folders of
 * one name.
 */
export function notesName(path: string): string {
  const onDisk = asOnDisk(path);
  const name = basename(onDisk)
    .replace(/[^\p{L}\p{N}._-]/gu, '_')
    .slice(0, 60);
  return `${name}-${createHash('sha256').update(onDisk).digest('hex').slice(0, 12)}`;
}

/** Reads the list in a file; empty where there is none. */
export function readExclusions(file: string): Exclusions {
  try {
    return parseExclusions(readFileSync(file, 'utf8'));
  } catch {
    return { out: new Map(), kept: new Set() };
  }
}
