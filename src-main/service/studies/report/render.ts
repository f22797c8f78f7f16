import { csvText } from '../../../protocol/csv.ts';
import type { StudyFormat, StudyTables } from '../../../protocol/study.ts';
import { accuracyFigure } from './figure.ts';
import { speedFigure } from './speed-figure.ts';
import { htmlReport } from './html.ts';
import { sectionsOf, stateLine, type Page, type Table } from './sections.ts';
import { REPORT_WORDS, filled, type ReportLanguage } from './words.ts';

/** Writes the report of a study. An HTML file has both languages, the others one. */
export function renderStudy(tables: StudyTables, format: StudyFormat, language: ReportLanguage = 'en'): string {
  if (format === 'csv') return csvText([RAW_HEAD, ...rawRows(tables)]);
  return renderPage((shown) => studyPage(tables, shown), format, language);
}

/** Writes a report in any format that is text for people. */
export function renderPage(
  pageOf: (language: ReportLanguage) => Page,
  format: Exclude<StudyFormat, 'csv'>,
  language: ReportLanguage,
): string {
  switch (format) {
    case 'html':
      return htmlReport(pageOf);
    case 'md':
      return markdown(pageOf(language));
    case 'tex':
      return latex(pageOf(language));
  }
}

function studyPage(tables: StudyTables, language: ReportLanguage): Page {
  const words = REPORT_WORDS[language];
  const figures = [
    { title: words.chart, svg: accuracyFigure(tables.rows, words) },
    { title: words.speedChart, svg: speedFigure(tables.rows, words) },
  ];
  return {
    title: filled(words.title, { name: tables.report.spec.name }),
    state: stateLine(tables, words),
    sections: sectionsOf(tables, language),
    figures: figures.filter(({ svg }) => svg !== ''),
  };
}

function markdown({ title, state, sections }: Page): string {
  const escaped = (cell: string): string => cell.replace(/[\\|*_<>`[\]]/g, '\\$&').replace(/\s+/g, ' ');
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const grid = ({ head, rows }: Table): string =>
    [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
  const parts = sections.flatMap(({ title: heading, notes, table }) => [
    `## ${escaped(heading)}`,
    ...notes.map(escaped),
    ...(table ? [grid(table)] : []),
  ]);
  return `${[`# ${escaped(title)}`, state, ...parts].join('\n\n')}\n`;
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

function latex({ title, state, sections }: Page): string {
  const escaped = (cell: string): string => cell.replace(/[\\~^±−–…’<>&%$#_{}]/g, (sign) => TEX[sign] ?? `\\${sign}`);
  const line = (cells: readonly string[]): string => `${cells.map(escaped).join(' & ')} \\\\`;
  const grid = ({ head, rows }: Table, caption: string): string =>
    [
      '\\begin{table}[h]',
      `\\caption{${escaped(caption)}}`,
      `\\begin{tabular}{l${'r'.repeat(head.length - 1)}}`,
      '\\hline',
      line(head),
      '\\hline',
      ...rows.map(line),
      '\\hline',
      '\\end{tabular}',
      '\\end{table}',
    ].join('\n');
  const parts = sections.flatMap(({ title: caption, notes, table }) => [
    ...notes.map(escaped),
    ...(table ? [grid(table, caption)] : []),
  ]);
  return `${[`% ${title.replace(/\s+/g, ' ')}`, escaped(state), ...parts].join('\n\n')}\n`;
}

const RAW_HEAD = ['variant', 'stage', 'seed', 'state', 'run', 'acc1', 'images_per_second', 'batch'] as const;

/** One line for each training, also those that failed. */
function rawRows({ report, rows }: StudyTables): (string | number)[][] {
  return report.cells.map(({ variant, stage, seed, state, run, acc1 }) => {
    const found = rows.find((row) => row.variant === variant && row.stage === stage)?.throughput;
    const scored = [variant, stage, seed, state ?? '', run ?? '', state === 'finished' ? (acc1 ?? '') : ''];
    return [...scored, found?.imagesPerSecond ?? '', found?.batch ?? ''];
  });
}
