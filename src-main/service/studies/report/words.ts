/** The words of a report in both languages. */
const EN = {
  title: 'Study: {name}',
  state: '{finished} of {trainings} trainings are finished; {broken} failed or were stopped.',
  few: 'Fewer than three seeds: a std of so few says little, and a difference may be chance.',
  scored:
    'Acc@1 in percent on {images} validation images after the last epoch: no epoch is picked by its score. Mean ± sample std over the finished seeds.',
  published: 'The paper’s own numbers are published ones for ImageNet, not measured here.',
  results: 'Results',
  versus: 'Against {control}',
  versusNote:
    'Difference in percentage points, paired by seed, with the 95 % interval of its mean (Student’s t). McNemar: exact two-sided p for each seed on the same images; in brackets the images that only this variant, and only the control, decides right.',
  bySeed: 'By seed',
  apart: 'Who decides differently',
  apartNote: 'Percent of validation images on which two decide differently, mean over the seeds.',
  chart: 'Acc@1 by variant',
  recipes: 'Recipes',
  recipesNote: 'Settings of all runs that differ from the defaults, then what each variant changes.',
  machine: 'Machine',
  variant: 'Variant',
  stage: 'then {stage}',
  seeds: 'Seeds',
  parameters: 'Parameters (M)',
  test: 'Acc@1 (what decides)',
  classHead: 'Class head',
  distillationHead: 'Distillation head',
  average: 'Moving average',
  agreement: 'As its teacher (%)',
  minutes: 'Minutes a run',
  difference: 'Difference',
  interval: '95 % interval',
  mcnemar: 'McNemar p (gained/lost)',
  seed: 'Seed {seed}',
  all: 'all',
  none: 'nothing',
  labels: 'labels',
  teacher: 'teacher',
  class: 'class head',
  distillation: 'distillation head',
  unfinished: 'No training is finished yet.',
};
export type ReportWords = typeof EN;

const ZH: ReportWords = {
  title: '研究：{name}',
  state: '{trainings} 次训练中已完成 {finished} 次；{broken} 次失败或被停止。',
  few: '随机种子少于三个：如此少的数据，标准差说明不了什么，差异也可能只是偶然。',
  scored: '最后一轮之后在 {images} 张验证图像上的 Acc@1（%）：不按得分挑选轮次。已完成种子的均值 ± 样本标准差。',
  published: '论文中的数字是在 ImageNet 上已发表的结果，并非在此测得。',
  results: '结果',
  versus: '与 {control} 相比',
  versusNote:
    '差异以百分点计，按种子配对，附其均值的 95 % 置信区间（学生 t 分布）。McNemar：每个种子在相同图像上的精确双侧 p 值；括号内为仅此方案判对和仅对照判对的图像数。',
  bySeed: '按种子',
  apart: '判断不同的情况',
  apartNote: '两者判断不同的验证图像所占百分比，取各种子的均值。',
  chart: '各方案的 Acc@1',
  recipes: '配方',
  recipesNote: '所有运行中与默认值不同的设置，然后是每个方案所改变的设置。',
  machine: '机器',
  variant: '方案',
  stage: '再{stage}',
  seeds: '种子',
  parameters: '参数量（百万）',
  test: 'Acc@1（最终判断）',
  classHead: '分类头',
  distillationHead: '蒸馏头',
  average: '滑动平均',
  agreement: '与教师一致（%）',
  minutes: '每次运行的分钟数',
  difference: '差异',
  interval: '95 % 置信区间',
  mcnemar: 'McNemar p（多对/多错）',
  seed: '种子 {seed}',
  all: '全部',
  none: '无',
  labels: '标签',
  teacher: '教师',
  class: '分类头',
  distillation: '蒸馏头',
  unfinished: '尚无训练完成。',
};

export const REPORT_WORDS = { en: EN, zh: ZH } as const;
export type ReportLanguage = keyof typeof REPORT_WORDS;

/** Fills the places of a sentence. */
export function filled(sentence: string, values: Readonly<Record<string, string | number>>): string {
  return sentence.replace(/\{(\w+)\}/g, (_, key: string) => String(values[key] ?? ''));
}
