import { basename } from 'node:path';
import { publishedFile } from '../install/weight-source.ts';
import { preparationOf, isModel } from '../model/zoo.ts';
import type { HubConfig } from './hub-config.ts';

/**
 * Finds the network and its preparation of images in the table of published weights, by a file name with its hash; null
 * for any other file. DeiT's own crop is kept, because its accuracies are published with it.
 */
export function publishedConfig(path: string): HubConfig | null {
  const found = publishedFile(basename(path));
  const model = found?.name.split('.')[0] ?? '';
  if (!found || !isModel(model)) return null;
  const { inputSize, cropRatio, interpolation, mean, std } = found;
  const crop = preparationOf(model).timmCropRatio === null ? { cropRatio } : {};
  const values = { inputSize, ...crop, interpolation, mean, std };
  return { path, named: found.name, model, classes: null, values, squash: false };
}
