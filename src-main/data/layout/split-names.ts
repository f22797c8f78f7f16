export type SplitRole = 'train' | 'val' | 'test';

/** The meaning of a folder's name for splits. */
export interface SplitName {
  role: SplitRole;
  /** The word alone, as most data sets have it, or one of ImageNet's archives. */
  exact: boolean;
  /** The rest of the name, in lower case: `flowers` of `flowers_train`. Words like `images` say nothing. */
  rest: string;
}

const SETS = '(集|数据|数据集|样本|图片|图像)?';
const WORDS: readonly (readonly [RegExp, SplitRole])[] = [
  [new RegExp(`^(train|training|trn|trainset|traindata|trainval|训练${SETS})$`), 'train'],
  [new RegExp(`^(val|valid|validation|dev|eval|evaluation|holdout|valset|(验证|校验|评估)${SETS})$`), 'val'],
  [new RegExp(`^(test|testing|tst|testset|testdata|测试${SETS})$`), 'test'],
];
const FILLER =
  /^(images?|imgs?|pictures?|pics|photos|data|datasets?|sets?|split|folder|dir|seg|jpe?g|png|raw|imagenet|ilsvrc|clsloc|\d+)$/;
const EXACT = /^(train|val|valid|validation|test|ilsvrc2012_img_(train|val))$/;

/** Reads a folder's name as that of a split: `Training`, `seg_train`, `imagesVal`, 训练集. Null where it names none. */
export function splitName(name: string): SplitName | null {
  const words = wordsOf(name);
  const roles = words.map((word) => WORDS.find(([pattern]) => pattern.test(word))?.[1]);
  const role = roles.find((one) => one !== undefined);
  if (!role || roles.some((one) => one !== undefined && one !== role)) return null;
  const rest = words.filter((word, at) => roles[at] === undefined && !FILLER.test(word)).join(' ');
  return { role, exact: EXACT.test(name.toLowerCase()), rest };
}

function wordsOf(name: string): string[] {
  const apart = name.replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2').replace(/(\p{L})(\d)/gu, '$1 $2');
  return apart
    .toLowerCase()
    .replace(/hold[-_ ]out/, 'holdout')
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
}
