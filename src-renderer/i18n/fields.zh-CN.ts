import type { RecipeKey } from '../../src-main/protocol/recipe.ts';

/** Label and help of every recipe field in Chinese. */
export const zhFields: Record<RecipeKey, { label: string; help: string }> = {
  dataPath: { label: '数据文件夹', help: '含 train/<类别>/ 与 val/<类别>/ 的文件夹，或每个类别一个文件夹。' },
  inputSize: { label: '输入尺寸', help: '学生所见正方形图片的边长；须为图块大小的倍数。' },
  evalCropRatio: { label: '评估裁剪比', help: '评估时短边缩放为 输入尺寸 / 比值，再裁取中央。' },
  model: { label: '学生', help: '要训练的模型，用其 timm 名称。' },
  finetune: { label: '起始权重', help: '作为起点的 .safetensors 或 .pth 文件；尺寸不同的头会重新建立。' },
  dropPath: { label: '随机深度', help: '残差分支被跳过的最大概率；从 0 起随层数线性增长。' },
  distillationType: { label: '蒸馏', help: '硬：以教师的判定为标签。软：以教师的概率为目标。无：不用教师。' },
  teacherModel: { label: '教师', help: '教师网络，用其 timm 名称。' },
  teacherPath: { label: '教师权重', help: '教师的权重文件；其类别须与数据集一致。' },
  distillationAlpha: { label: '蒸馏权重', help: '蒸馏损失在总损失中的占比。' },
  distillationTau: { label: '温度', help: '软化两个网络的概率；仅用于软蒸馏。' },
  epochs: { label: '轮数', help: '遍历训练图片的次数，也是余弦的长度。' },
  batchSize: { label: '批大小', help: '每一步的图片数。' },
  lr: { label: '学习率', help: '基础学习率；除非不缩放，否则乘以 批大小 / 512。' },
  unscaleLr: { label: '不缩放学习率', help: '无论批大小如何，按给定值使用学习率。' },
  warmupEpochs: { label: '预热', help: '学习率从预热学习率线性上升的轮数。' },
  warmupLr: { label: '预热学习率', help: '最初的学习率；不缩放。' },
  minLr: { label: '最低学习率', help: '余弦的下限；不缩放。' },
  weightDecay: { label: '权重衰减', help: 'AdamW 的解耦衰减；偏置、归一化、类别标记与位置嵌入除外。' },
  optEps: { label: 'Epsilon', help: '加在 AdamW 分母上的数。' },
  optBeta1: { label: 'Beta 1', help: '梯度均值的衰减率。' },
  optBeta2: { label: 'Beta 2', help: '梯度平方均值的衰减率。' },
  smoothing: { label: '标签平滑', help: '均匀分给所有类别的标签份额。' },
  scaleMin: { label: '最小裁剪', help: '随机裁剪至少保留的图片面积比例。' },
  hflip: { label: '翻转', help: '左右翻转的概率。' },
  seed: { label: '随机种子', help: '运行中所有随机抽取都由它决定。' },
  precision: { label: '精度', help: '训练时矩阵乘法的精度，其余均为 float32。auto：处理器支持时用 bfloat16。' },
  numWorkers: { label: '解码数', help: '同时解码的图片数。' },
  saveEvery: { label: '保存间隔', help: '相邻检查点之间的轮数；最后一轮总会保存。' },
  outputDir: { label: '运行文件夹', help: '存放历史、检查点与导出；留空则在运行目录中新建。' },
};

export const zhChoices: Record<string, string> = {
  'precision.auto': '自动',
  'precision.float32': 'float32（单精度）',
  'precision.bfloat16': 'bfloat16（混合精度）',
  'distillationType.none': '无',
  'distillationType.soft': '软',
  'distillationType.hard': '硬',
};

export const zhUnits: Record<string, string> = {
  epochs: '轮',
  pictures: '张',
  pixels: '像素',
  'per 512 pictures': '每 512 张',
};
