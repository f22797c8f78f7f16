import type { presets as enPresets, presetWords as enWords } from './presets.en.ts';

/** 各预设的名称与说明。 */
export const presets: Record<keyof typeof enPresets, { name: string; about: string }> = {
  'sample-student': {
    name: '示例运行：DeiT-Ti 蒸馏',
    about: '小图、少轮次：在示例数据上，两个核心几分钟内即可看到学习效果。请先训练教师。',
  },
  'deit-defaults': { name: 'DeiT 默认值', about: 'DeiT 原程序的默认值，不使用教师。' },
  'fine-tune': {
    name: '微调学生',
    about:
      'DeiT-B 在 384 像素微调时的设置，用于你自己的权重：请把输入尺寸设为要继续训练的尺寸。类别不同时头会重新生成，需要更高的学习率。',
  },
  'deit-tiny': { name: 'DeiT-Ti，无教师', about: '在 ImageNet 上从头训练，不使用教师。' },
  'deit-small': { name: 'DeiT-S，无教师', about: '在 ImageNet 上从头训练，不使用教师。' },
  'deit-base': { name: 'DeiT-B，无教师', about: '在 ImageNet 上从头训练，不使用教师。' },
  'paper-tiny-distilled': {
    name: 'DeiT-Ti 蒸馏',
    about: '论文的 ImageNet 配方：由 RegNetY-16GF 硬蒸馏，300 轮，批大小 1024。',
  },
  'paper-small-distilled': {
    name: 'DeiT-S 蒸馏',
    about: '论文的 ImageNet 配方：由 RegNetY-16GF 硬蒸馏，300 轮，批大小 1024。',
  },
  'paper-base-distilled': {
    name: 'DeiT-B 蒸馏',
    about: '论文的 ImageNet 配方：由 RegNetY-16GF 硬蒸馏，300 轮，批大小 1024。',
  },
  'paper-base-distilled-1000': {
    name: 'DeiT-B 蒸馏，1000 轮',
    about: '蒸馏的学生因更长的训练而提高，其他模型则不然。',
  },
  'deit-base-384': { name: 'DeiT-B，微调至 384', about: '以 224 的 DeiT-B 为起点：位置嵌入会缩放，学习率小而恒定。' },
  'paper-base-distilled-384': {
    name: 'DeiT-B 蒸馏，384',
    about: '以 224 的蒸馏 DeiT-B 为起点。教师继续教学，同样使用 384 像素。',
  },
  'transfer-cifar10': { name: 'CIFAR-10 迁移', about: '以 ImageNet 上的 DeiT-B 为起点。图片放大到 224 像素。' },
  'transfer-cifar100': {
    name: 'CIFAR-100 迁移',
    about: '以 ImageNet 上的 DeiT-B 为起点。设置为作者就另一个 ViT-B 给出的值；学习率从 5e-6 升至作者的下限 1e-5。',
  },
  'transfer-flowers': {
    name: 'Flowers-102 迁移',
    about: '以 ImageNet 上的 DeiT-B 为起点。其设置未曾公布：此处为 CIFAR-10 与 Cars 的设置。',
  },
  'transfer-cars': { name: 'Stanford Cars 迁移', about: '以 ImageNet 上的 DeiT-B 为起点。' },
  'transfer-inat18': { name: 'iNaturalist 2018 迁移', about: '以 ImageNet 上的 DeiT-B 为起点。8142 个类别。' },
  'transfer-inat19': { name: 'iNaturalist 2019 迁移', about: '以 ImageNet 上的 DeiT-B 为起点。1010 个类别。' },
  'deit3-small': { name: 'DeiT III S，从头训练，224', about: '在 ImageNet 上从头训练，无需后续步骤。' },
  'deit3-base-192': { name: 'DeiT III B，从头训练，192', about: '在 ImageNet 上从头训练，之后在 224 微调。' },
  'deit3-large-192': { name: 'DeiT III L，从头训练，192', about: '在 ImageNet 上从头训练，之后在 224 微调。' },
  'deit3-huge-160': {
    name: 'DeiT III H，从头训练，154',
    about: '在 ImageNet 上从头训练，之后在 224 微调。作者写作 160 像素，而大小为 14 的图块只看到其中 154。',
  },
  'deit3-base': { name: 'DeiT III B，至 224', about: '微调在 192 训练的权重。' },
  'deit3-large': { name: 'DeiT III L，至 224', about: '微调在 192 训练的权重。' },
  'deit3-huge': { name: 'DeiT III H，至 224', about: '微调在 154 训练的权重。' },
  'deit3-small-384': { name: 'DeiT III S，至 384', about: '微调 224 的权重。' },
  'deit3-base-384': { name: 'DeiT III B，至 384', about: '微调 224 的权重。' },
  'deit3-large-384': { name: 'DeiT III L，至 384', about: '微调 224 的权重。' },
  'sample-teacher': {
    name: '示例：EfficientNet-Lite0',
    about: '以示例运行的输入尺寸微调 EfficientNet-Lite0，从其 ImageNet 权重开始：请先在下方获取。',
  },
  'full-teacher': {
    name: '完整尺寸：EfficientNet-Lite0',
    about: '以 224 像素微调 EfficientNet-Lite0，用于您自己的数据集。',
  },
};

export const presetWords: typeof enWords = {
  groups: {
    sample: '入门',
    own: '自己的数据',
    deit: 'ImageNet 上的 DeiT',
    tuning: 'DeiT：384 微调',
    transfer: 'DeiT：迁移',
    deit3: 'ImageNet 上的 DeiT III',
  },
  published: '公布值，并非在此测得：{facts}。设置：{settings}。',
  top1: "{data} 上 Acc{'@'}1 为 {top1} %",
  gpus: '{n} 块 GPU',
  hours: '{hours} 小时',
  results: '结果：{results}',
  needs: { finetune: '请选择作为起点的权重。', teacherPath: '请选择教师的权重。' },
};
