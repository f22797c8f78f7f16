/** Name of each preset, and what there is to know before it is chosen. */
export const presets = {
  'sample-student': {
    name: 'Sample run: DeiT-Ti distilled',
    about:
      'Small images and few epochs: on the sample data it shows learning within minutes on two cores. Train a teacher first.',
  },
  'deit-defaults': {
    name: "DeiT's defaults",
    about: "The defaults of DeiT's own program, without a teacher.",
  },
  'fine-tune': {
    name: 'Fine-tune a student',
    about:
      'What DeiT-B was fine-tuned at 384 pixels with, for weights of your own: set the input size to which they shall go on. A head for other classes is made anew, and wants a higher rate.',
  },
  'deit-tiny': { name: 'DeiT-Ti', about: 'ImageNet from scratch, without a teacher.' },
  'deit-small': { name: 'DeiT-S', about: 'ImageNet from scratch, without a teacher.' },
  'deit-base': { name: 'DeiT-B', about: 'ImageNet from scratch, without a teacher.' },
  'paper-tiny-distilled': {
    name: 'DeiT-Ti distilled',
    about: "The paper's ImageNet recipe: hard distillation from RegNetY-16GF, 300 epochs, batch 1024.",
  },
  'paper-small-distilled': {
    name: 'DeiT-S distilled',
    about: "The paper's ImageNet recipe: hard distillation from RegNetY-16GF, 300 epochs, batch 1024.",
  },
  'paper-base-distilled': {
    name: 'DeiT-B distilled',
    about: "The paper's ImageNet recipe: hard distillation from RegNetY-16GF, 300 epochs, batch 1024.",
  },
  'paper-base-distilled-1000': {
    name: 'DeiT-B distilled, 1000 epochs',
    about: 'Distilled students gain from longer training; others do not.',
  },
  'deit-base-384': {
    name: 'DeiT-B at 384',
    about: 'From DeiT-B at 224: the position embedding is resized, the rate is small and constant.',
  },
  'paper-base-distilled-384': {
    name: 'DeiT-B distilled at 384',
    about: 'From the distilled DeiT-B at 224. The teacher goes on teaching, at 384 pixels too.',
  },
  'transfer-cifar10': { name: 'CIFAR-10', about: 'From DeiT-B on ImageNet. The images are enlarged to 224 pixels.' },
  'transfer-cifar100': {
    name: 'CIFAR-100',
    about:
      'From DeiT-B on ImageNet. The settings are those that the authors gave for another ViT-B; the rate rises from 5e-6 to their floor of 1e-5.',
  },
  'transfer-flowers': {
    name: 'Flowers-102',
    about: 'From DeiT-B on ImageNet. No settings are published: these are those of CIFAR-10 and Cars.',
  },
  'transfer-cars': { name: 'Stanford Cars', about: 'From DeiT-B on ImageNet.' },
  'transfer-inat18': { name: 'iNaturalist 2018', about: 'From DeiT-B on ImageNet. 8142 classes.' },
  'transfer-inat19': { name: 'iNaturalist 2019', about: 'From DeiT-B on ImageNet. 1010 classes.' },
  'deit3-small': { name: 'DeiT III S at 224', about: 'ImageNet from scratch; nothing follows.' },
  'deit3-base-192': { name: 'DeiT III B at 192', about: 'ImageNet from scratch; fine-tuning at 224 follows.' },
  'deit3-large-192': { name: 'DeiT III L at 192', about: 'ImageNet from scratch; fine-tuning at 224 follows.' },
  'deit3-huge-160': {
    name: 'DeiT III H at 154',
    about:
      'ImageNet from scratch; fine-tuning at 224 follows. The authors say 160 pixels, of which the patches of 14 see 154.',
  },
  'deit3-base': { name: 'DeiT III B to 224', about: 'Fine-tuning of the weights that were trained at 192.' },
  'deit3-large': { name: 'DeiT III L to 224', about: 'Fine-tuning of the weights that were trained at 192.' },
  'deit3-huge': { name: 'DeiT III H to 224', about: 'Fine-tuning of the weights that were trained at 154.' },
  'deit3-small-384': { name: 'DeiT III S to 384', about: 'Fine-tuning of the weights at 224.' },
  'deit3-base-384': { name: 'DeiT III B to 384', about: 'Fine-tuning of the weights at 224.' },
  'deit3-large-384': { name: 'DeiT III L to 384', about: 'Fine-tuning of the weights at 224.' },
  'sample-teacher': {
    name: 'Sample: EfficientNet-Lite0',
    about:
      'Fine-tunes EfficientNet-Lite0 at the input size of the sample run, from its ImageNet weights: fetch them below first.',
  },
  'full-teacher': {
    name: 'Full size: EfficientNet-Lite0',
    about: 'Fine-tunes EfficientNet-Lite0 at 224 pixels for data sets of your own.',
  },
};

export const presetWords = {
  groups: {
    sample: 'To begin with',
    own: 'Your own data',
    deit: 'DeiT on ImageNet',
    tuning: 'DeiT: fine-tuning at 384',
    transfer: 'DeiT: transfer',
    deit3: 'DeiT III on ImageNet',
  },
  published: 'Published, not measured here: {facts}. Settings: {settings}.',
  top1: "{top1} % Acc{'@'}1 on {data}",
  gpus: '{n} GPUs',
  hours: '{hours} hours',
  results: 'results: {results}',
  needs: { finetune: 'Choose the weights that it starts from.', teacherPath: 'Choose the weights of its teacher.' },
};
