import { escaped } from './escape.ts';
import type { Page, Section, Table } from './sections.ts';
import type { ReportLanguage } from './words.ts';

/**
 * Writes a report as one HTML file: no script, nothing from elsewhere, light and dark as the reader's system, and both
 * languages, between which two links at the top choose.
 */
export function htmlReport(pageOf: (language: ReportLanguage) => Page): string {
  const title = escaped(pageOf('en').title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<nav aria-label="Language / 语言"><a href="#en" lang="en">English</a> <a href="#zh" lang="zh-CN">简体中文</a></nav>
${main(pageOf('zh'), 'zh', 'zh-CN')}
${main(pageOf('en'), 'en', 'en')}
</body>
</html>
`;
}

// The Chinese page comes first in the file, so that its being aimed at can hide the English one with no script.
const STYLE = `
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 14px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
nav { text-align: right; }
a { color: inherit; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
.words td { text-align: left; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
#zh { display: none; }
#zh:target { display: block; }
#zh:target ~ #en { display: none; }
@media print { nav { display: none; } }
`;

function main({ title, state, sections, figures }: Page, language: ReportLanguage, tag: string): string {
  const [first, ...others] = sections;
  return `<main id="${language}" lang="${tag}">
<h1>${escaped(title)}</h1>
<p>${escaped(state)}</p>
${section(first)}
${figures.map((figure) => `<h2>${escaped(figure.title)}</h2>\n${figure.svg}`).join('\n')}
${others.map(section).join('\n')}
</main>`;
}

function section({ title, notes, table }: Section): string {
  const sentences = notes.map((note) => `<p>${escaped(note)}</p>`).join('\n');
  return `<h2>${escaped(title)}</h2>\n${sentences}\n${table ? grid(table, title) : ''}`;
}

function grid({ head, rows }: Table, title: string): string {
  const words = head.includes('--') ? ' class="words"' : '';
  const lines = rows.map(([name, ...cells]) => `<tr><th scope="row">${escaped(name)}</th>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`); // prettier-ignore
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(title)}"><table${words}>
<thead><tr>${head.map((cell) => (cell ? `<th scope="col">${escaped(cell)}</th>` : '<td></td>')).join('')}</tr></thead>
<tbody>
${lines.join('\n')}
</tbody></table></div>`;
}
