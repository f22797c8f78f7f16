/** One text in both languages of the window. */
interface Words {
  en: string;
  'zh-CN': string;
}

/** Names a chart. `line` names its only line; charts of several lines use the names in `charts.*.ts`. */
interface ChartNames {
  title: Words;
  unit: Words;
  line?: Words;
}

const both = (text: string): Words => ({ en: text, 'zh-CN': text });
const NONE = both('');
const PERCENT = both('%');

/** The names of every chart of the Train view, by the id that `views/train-charts.ts` gives it. */
export const CHART_NAMES = {
  loss: { title: { en: 'Loss', 'zh-CN': '损失' }, unit: NONE },
  acc1: { title: { en: "Validation Acc{'@'}1", 'zh-CN': "验证 Acc{'@'}1" }, unit: PERCENT },
  acc5: { title: { en: "Validation Acc{'@'}5", 'zh-CN': "验证 Acc{'@'}5" }, unit: PERCENT },
  agreement: {
    title: { en: 'Agreement with the teacher', 'zh-CN': '与教师的一致率' },
    unit: PERCENT,
    line: { en: 'Agreement', 'zh-CN': '一致率' },
  },
  lr: {
    title: { en: 'Learning rate', 'zh-CN': '学习率' },
    unit: NONE,
    line: { en: 'Learning rate', 'zh-CN': '学习率' },
  },
  speed: {
    title: { en: 'Throughput', 'zh-CN': '吞吐量' },
    unit: { en: 'images/s', 'zh-CN': '张/秒' },
    line: { en: 'Images/s', 'zh-CN': '张/秒' },
  },
  stepTime: { title: { en: 'Step time', 'zh-CN': '单步时间' }, unit: { en: 'ms', 'zh-CN': '毫秒' } },
  kept: {
    title: { en: "Teacher's answers kept", 'zh-CN': '已保存的教师回答' },
    unit: PERCENT,
    line: { en: 'Kept', 'zh-CN': '已保存' },
  },
  memory: {
    title: { en: 'Memory', 'zh-CN': '内存' },
    unit: both('GB'),
    line: { en: 'Memory', 'zh-CN': '内存' },
  },
  deviceMemory: {
    title: { en: 'GPU memory', 'zh-CN': '显存' },
    unit: both('GB'),
    line: { en: 'GPU memory', 'zh-CN': '显存' },
  },
  deviceBusy: {
    title: { en: 'GPU utilisation', 'zh-CN': '显卡利用率' },
    unit: PERCENT,
    line: { en: 'GPU utilisation', 'zh-CN': '显卡利用率' },
  },
  epochTime: { title: { en: 'Time of each epoch', 'zh-CN': '每轮用时' }, unit: { en: 's', 'zh-CN': '秒' } },
} as const satisfies Record<string, ChartNames>;

export type ChartName = keyof typeof CHART_NAMES;
const ROWS = Object.entries(CHART_NAMES) as [ChartName, ChartNames][];

/** Returns title and unit of each chart in one language, as messages under the chart's id. */
export function chartTitles(language: keyof Words) {
  const messages = ROWS.map(([id, { title, unit }]) => [id, { title: title[language], unit: unit[language] }]);
  return Object.fromEntries(messages) as Record<ChartName, { title: string; unit: string }>;
}

/** Returns the names of the lines that are alone in their chart, in one language. */
export function lineNames(language: keyof Words): Record<string, string> {
  return Object.fromEntries(ROWS.flatMap(([id, { line }]) => (line ? [[id, line[language]]] : [])));
}
