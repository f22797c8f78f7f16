import type { StudyTemplate } from '../../../protocol/study.ts';
import type { ReportLanguage } from './words.ts';

type Both = readonly [en: string, zh: string];

interface Published {
  /** Where it stands in the paper. */
  table: Both;
  head: readonly Both[];
  rows: readonly (readonly [name: Both, ...numbers: readonly string[]])[];
}

const same = (text: string): Both => [text, text];

/**
 * The paper's own numbers (Touvron et al. 2021, arXiv 2012.12877), for ImageNet and top-1 in percent, by the kind of
 * study that repeats its table.
 */
const PUBLISHED: Partial<Record<StudyTemplate, Published>> = {
  'which-teacher': {
    table: ['Table 2: DeiT-B with token, by its teacher', '表 2：不同教师下带蒸馏词元的 DeiT-B'],
    head: [['Teacher', '教师'], ['of the teacher', '教师自身'], same('224'), same('384')],
    rows: [
      [same('DeiT-B'), '81.8', '81.9', '83.1'],
      [same('RegNetY-4GF'), '80.0', '82.7', '83.6'],
      [same('RegNetY-8GF'), '81.7', '82.7', '83.8'],
      [same('RegNetY-12GF'), '82.4', '83.1', '84.1'],
      [same('RegNetY-16GF'), '82.9', '83.1', '84.2'],
    ],
  },
  'which-distillation': {
    table: ['Table 3: distillation, 300 epochs', '表 3：蒸馏方式，300 轮'],
    head: [['Distillation', '蒸馏'], same('Ti 224'), same('S 224'), same('B 224'), same('B 384')],
    rows: [
      [['none', '无'], '72.2', '79.8', '81.8', '83.1'],
      [['soft', '软'], '72.2', '79.8', '81.8', '83.2'],
      [['hard', '硬'], '74.3', '80.9', '83.0', '84.0'],
      [['hard with token, class head', '硬加词元，分类头'], '73.9', '80.9', '83.0', '84.2'],
      [['hard with token, distillation head', '硬加词元，蒸馏头'], '74.6', '81.1', '83.1', '84.4'],
      [['hard with token, both', '硬加词元，两者'], '74.5', '81.2', '83.4', '84.5'],
    ],
  },
  agreement: {
    table: ['Table 4: percent of images decided differently', '表 4：判断不同的图像百分比'],
    head: [same(''), ['labels', '标签'], ['teacher', '教师'], same('DeiT'), ['class head', '分类头'], ['distillation head', '蒸馏头'], ['both', '两者']], // prettier-ignore
    rows: [
      [['labels', '标签'], '0.0', '17.1', '18.2', '17.0', '16.9', '16.6'],
      [['teacher (RegNetY)', '教师（RegNetY）'], '17.1', '0.0', '13.3', '11.2', '10.0', '10.2'],
      [same('DeiT'), '18.2', '13.3', '0.0', '10.9', '11.0', '10.7'],
      [['class head', '分类头'], '17.0', '11.2', '10.9', '0.0', '5.0', '3.3'],
      [['distillation head', '蒸馏头'], '16.9', '10.0', '11.0', '5.0', '0.0', '1.9'],
      [['both', '两者'], '16.6', '10.2', '10.7', '3.3', '1.9', '0.0'],
    ],
  },
  ablation: {
    table: ['Table 8: DeiT-B, one change at a time', '表 8：DeiT-B，每次只改一处'],
    head: [['Change', '改变'], same('224'), same('384')],
    rows: [
      [['the recipe', '配方本身'], '81.8 ± 0.2', '83.1 ± 0.1'],
      [same('SGD'), '74.5', '77.3'],
      [['no RandAugment', '无 RandAugment'], '79.6', '80.4'],
      [same('AutoAugment'), '81.2', '81.9'],
      [['no Mixup', '无 Mixup'], '78.7', '79.8'],
      [['no CutMix', '无 CutMix'], '80.0', '80.6'],
      [['no Mixup, no CutMix', '无 Mixup 与 CutMix'], '75.8', '76.7'],
      [['no random erasing (did not train well)', '无随机擦除（未能良好训练）'], '4.3', '0.1'],
      [['no stochastic depth (did not train well)', '无随机深度（未能良好训练）'], '3.4', '0.1'],
      [['no repeated augmentation', '无重复增强'], '76.5', '77.4'],
      [same('dropout'), '81.3', '83.1'],
      [same('EMA'), '81.9', '83.1'],
    ],
  },
};

/** Returns the paper's table of a kind of study in one language; null where it has none. */
export function publishedTable(
  template: string,
  language: ReportLanguage,
): { title: string; head: string[]; rows: string[][] } | null {
  const found = Object.entries(PUBLISHED).find(([name]) => name === template)?.[1];
  if (!found) return null;
  const word = (both: Both): string => both[language === 'en' ? 0 : 1];
  return {
    title: word(found.table),
    head: found.head.map(word),
    rows: found.rows.map(([name, ...numbers]) => [word(name), ...numbers]),
  };
}
