import { csvText } from '../../../protocol/csv.ts';
import type { StudyFormat, StudyTables } from '../../../protocol/study.ts';
import { htmlReport } from './html.ts';
import { sectionsOf, stateLine, type Section, type Table } from './sections.ts';
import { REPORT_WORDS, filled, type ReportLanguage, type ReportWords } from './words.ts';

/** Writes the report of a study. An HTML file has both languages, the others one. */
export function renderStudy(tables: StudyTables, format: StudyFormat, language: ReportLanguage = 'en'): string {
  const words = REPORT_WORDS[language];
  const sections = sectionsOf(tables, language);
  switch (format) {
    case 'html':
      return htmlReport(tables);
    case 'md':
      return markdown(tables, sections, words);
    case 'tex':
      return latex(tables, sections, words);
    case 'csv':
      return csvText([RAW_HEAD, ...rawRows(tables)]);
  }
}

function markdown(tables: StudyTables, sections: readonly Section[], words: ReportWords): string {
  const escaped = (cell: string): string => cell.replace(/[\\|*_<>`[\]]/g, '\\$&').replace(/\s+/g, ' ');
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const grid = ({ head, rows }: Table): string =>
    [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
  const parts = sections.flatMap(({ title, notes, table }) => [
    `## ${escaped(title)}`,
    ...notes.map(escaped),
    ...(table ? [grid(table)] : []),
  ]);
  const title = filled(words.title, { name: tables.report.spec.name });
  return `${[`# ${escaped(title)}`, stateLine(tables, words), ...parts].join('\n\n')}\n`;
}

const TEX: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '±': '$\\pm$',
  '−': '$-$',
  '–': '--',
  '…': '\\dots{}',
  '’': "'",
  '<': '$<$',
  '>': '$>$',
};

function latex(tables: StudyTables, sections: readonly Section[], words: ReportWords): string {
  const escaped = (cell: string): string => cell.replace(/[\\~^±−–…’<>&%$#_{}]/g, (sign) => TEX[sign] ?? `\\${sign}`);
  const line = (cells: readonly string[]): string => `${cells.map(escaped).join(' & ')} \\\\`;
  const grid = ({ head, rows }: Table, title: string): string =>
    [
      '\\begin{table}[h]',
      `\\caption{${escaped(title)}}`,
      `\\begin{tabular}{l${'r'.repeat(head.length - 1)}}`,
      '\\hline',
      line(head),
      '\\hline',
      ...rows.map(line),
      '\\hline',
      '\\end{tabular}',
      '\\end{table}',
    ].join('\n');
  const parts = sections.flatMap(({ title, notes, table }) => [
    ...notes.map(escaped),
    ...(table ? [grid(table, title)] : []),
  ]);
  return `${[`% ${filled(words.title, { name: tables.report.spec.name }).replace(/\s+/g, ' ')}`, escaped(stateLine(tables, words)), ...parts].join('\n\n')}\n`;
}

const RAW_HEAD = ['variant', 'stage', 'seed', 'state', 'run', 'acc1'] as const;

/** One line for each training, also those that failed. */
function rawRows({ report }: StudyTables): (string | number)[][] {
  return report.cells.map(({ variant, stage, seed, state, run, acc1 }) => [
    ...[variant, stage, seed, state ?? '', run ?? '', state === 'finished' ? (acc1 ?? '') : ''],
  ]);
}
