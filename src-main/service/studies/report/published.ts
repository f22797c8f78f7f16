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
  speed: {
    table: [
      'Table 5: throughput (one 16 GB V100, the largest batch) and accuracy',
      '表 5：吞吐量（一块 16 GB V100，最大批）与准确率',
    ],
    head: [['Network', '网络'], ['Parameters (M)', '参数量（百万）'], ['Size', '尺寸'], ['Images/s', '图像/秒'], same('ImageNet'), same('ReaL'), same('V2')], // prettier-ignore
    rows: [
      [same('ResNet-18'), '12', '224', '4458.4', '69.8', '77.3', '57.1'],
      [same('ResNet-50'), '25', '224', '1226.1', '76.2', '82.5', '63.3'],
      [same('ResNet-101'), '45', '224', '753.6', '77.4', '83.7', '65.7'],
      [same('ResNet-152'), '60', '224', '526.4', '78.3', '84.1', '67.0'],
      [same('RegNetY-4GF'), '21', '224', '1156.7', '80.0', '86.4', '69.4'],
      [same('RegNetY-8GF'), '39', '224', '591.6', '81.7', '87.4', '70.8'],
      [same('RegNetY-16GF'), '84', '224', '334.7', '82.9', '88.1', '72.4'],
      [same('EfficientNet-B0'), '5', '224', '2694.3', '77.1', '83.5', '64.3'],
      [same('EfficientNet-B3'), '12', '300', '732.1', '81.6', '86.8', '70.6'],
      [same('EfficientNet-B5'), '30', '456', '169.1', '83.6', '88.3', '73.6'],
      [same('EfficientNet-B7'), '66', '600', '55.1', '84.3', '–', '–'],
      [same('ViT-B/16'), '86', '384', '85.9', '77.9', '83.6', '–'],
      [same('DeiT-Ti'), '5', '224', '2536.5', '72.2', '80.1', '60.4'],
      [same('DeiT-S'), '22', '224', '940.4', '79.8', '85.7', '68.5'],
      [same('DeiT-B'), '86', '224', '292.3', '81.8', '86.7', '71.5'],
      [same('DeiT-B↑384'), '86', '384', '85.9', '83.1', '87.7', '72.4'],
      [same('DeiT-Ti⚗'), '6', '224', '2529.5', '74.5', '82.1', '62.9'],
      [same('DeiT-S⚗'), '22', '224', '936.2', '81.2', '86.8', '70.0'],
      [same('DeiT-B⚗'), '87', '224', '290.9', '83.4', '88.3', '73.2'],
      [same('DeiT-B⚗↑384'), '87', '384', '85.8', '84.5', '89.0', '74.8'],
    ],
  },
  transfer: {
    table: ['Table 7: what transfers', '表 7：迁移效果'],
    head: [['Network', '网络'], same('ImageNet'), same('CIFAR-10'), same('CIFAR-100'), same('Flowers'), same('Cars'), same('iNat-18'), same('iNat-19'), ['Images/s', '图像/秒']], // prettier-ignore
    rows: [
      [same('Grafit ResNet-50'), '79.6', '–', '–', '98.2', '92.5', '69.8', '75.9', '1226.1'],
      [same('EfficientNet-B7'), '84.3', '98.9', '91.7', '98.8', '94.7', '–', '–', '55.1'],
      [same('ViT-B/16'), '77.9', '98.1', '87.1', '89.5', '–', '–', '–', '85.9'],
      [same('ViT-L/16'), '76.5', '97.9', '86.4', '89.7', '–', '–', '–', '27.3'],
      [same('DeiT-B'), '81.8', '99.1', '90.8', '98.4', '92.1', '73.2', '77.7', '292.3'],
      [same('DeiT-B↑384'), '83.1', '99.1', '90.8', '98.5', '93.3', '79.5', '81.4', '85.9'],
      [same('DeiT-B⚗'), '83.4', '99.1', '91.3', '98.8', '92.9', '73.7', '78.4', '290.9'],
      [same('DeiT-B⚗↑384'), '84.4', '99.2', '91.4', '98.9', '93.9', '80.1', '83.0', '85.9'],
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
