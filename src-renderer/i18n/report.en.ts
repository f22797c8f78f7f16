/** The words of the question that a report asks. */
export const report = {
  button: 'Report…',
  heading: 'Report of {subject}',
  format: 'Format',
  formats: {
    html: 'HTML: one file, offline, both languages',
    md: 'Markdown',
    csv: 'CSV: the numbers alone',
    tex: 'LaTeX tables',
  },
  folder: 'Folder',
  folderHelp: 'Empty: beside the files of what is reported.',
  needsFolder: 'Nothing may be written into its own folder.',
  write: 'Write',
};
