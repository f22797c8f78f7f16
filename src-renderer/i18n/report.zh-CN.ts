/** 报告所问的各项文字。 */
export const report = {
  button: '报告…',
  heading: '{subject} 的报告',
  format: '格式',
  formats: {
    html: 'HTML：单个文件，可离线阅读，含两种语言',
    md: 'Markdown 文本',
    csv: 'CSV：仅数字',
    tex: 'LaTeX 表格',
  },
  folder: '文件夹',
  folderHelp: '留空则写在其自身文件旁边。',
  needsFolder: '不能写入其自身的文件夹。',
  write: '写入',
};
