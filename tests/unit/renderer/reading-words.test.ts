import { describe, expect, it } from 'vitest';
import { readingWords } from '../../../src-renderer/components/data/reading-words.ts';
import { createTranslations } from '../../../src-renderer/i18n/index.ts';

describe('readingWords', () => {
  it.each([
    ['set=CIFAR', 'as CIFAR-100', '按 CIFAR-100 数据集'],
    ['set=IMNET', 'by class folders', '按类别文件夹'],
    ['set=INAT19,category=family', 'as iNaturalist 2019, by family', '按 iNaturalist 2019 数据集，以科为类别'],
    ['train=trnid+valid,val=tstid', 'trnid+valid as train, tstid as val', '以 trnid+valid 为训练集、tstid 为验证集'],
    ['set=MNIST', 'set=MNIST', 'set=MNIST'],
  ])('says "%s" in both languages', (reading, english, chinese) => {
    const { global } = createTranslations();
    const words = (): string => readingWords(reading, (key, named) => global.t(key, named));
    expect(words()).toBe(english);
    global.locale.value = 'zh-CN';
    expect(words()).toBe(chinese);
  });
});
